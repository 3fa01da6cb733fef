// Package proxy carries a request that policy has allowed to a route's app,
// and the answer back.
//
//	client ──► gateway ──► Proxy.Serve ──► app
//	                        │ request: reserved headers and our cookies go,
//	                        │          identity and assertion are set,
//	                        │          the app's cookies are those of the person
//	                        │ answer:  our cookies and headers go, internal
//	                        │          addresses become public ones, the app's
//	                        │          cookies are bound to the person
//
// The app believes the headers that carry the identity, so nobody but the
// gateway may write them: every header whose name an app could take for one
// of them is deleted from every request, public paths included; so is another
// spelling of one of HTTP's own. The true ones are set on the outgoing request
// afterwards, where a Connection header cannot name them for removal.
//
// The same identity is signed in the assertion, a JWT that an app can verify
// with the keys of Keys.JWKS. The plain headers say nothing that it does not
// say.
//
// Where the app has a login form and nothing else, the gateway fills it in: see
// [Form]. A login stands around the transport, behind all that is done to the
// request and before all that is done to the answer:
//
//	rewrite ──► formTrip ──► transport ──► app
//	              │ no cookie of the app: login first, then the request
//	              │ session expired: login, then GET again, or 307 for the rest
//	modify  ◄─────┘ with the cookies that the browser does not have yet
//
// Where another proxy carries the request, and only asks who it is from, an
// [Identifier] gives that proxy the same headers to set.
//
// Bodies are streamed both ways and never held. httputil.ReverseProxy flushes
// after each read where an answer is an event stream or of unknown length;
// answers of known length are left to the server's buffer, as there is nobody
// who waits for half of them.
package proxy
