package gateway

// Serves tells whether a route has the host, which is compared as a request's is.
func (g *Gateway) Serves(host string) bool { return g.routes().find(host) != nil }
