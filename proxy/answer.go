package proxy

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

var (
	// errStatus says that an answer's status is none of HTTP's.
	errStatus = errors.New("status below 100")
	// errSwitch says that an app leaves HTTP for what it was not asked for.
	errSwitch = errors.New("no WebSocket was agreed to")
)

// modify makes of the app's answer the one that the client gets.
func (x *exchange) modify(res *http.Response) error {
	p := x.proxy
	x.back()
	if res.StatusCode < 100 { // net/http panics on writing it
		return errStatus
	}
	if res.StatusCode == http.StatusSwitchingProtocols && !x.isAgreed(res.Header) {
		return errSwitch
	}
	x.notify(res.Header)
	p.cleanAnswer(res.Header)
	x.bindCookies(res.Header)
	for _, name := range [...]string{"Location", "Content-Location"} {
		if values := res.Header[name]; len(values) == 1 {
			values[0] = p.publicURL(values[0])
		}
	}
	if values := res.Header["Refresh"]; len(values) == 1 {
		values[0] = p.publicRefresh(values[0])
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	if x.upgrade {
		// The client may have sent the other protocol's bytes already. On a
		// kept connection they would be read as its next request.
		res.Header["Connection"] = []string{"close"}
	}
	x.forWhom(res.Header)
	p.cleanAnswer(res.Trailer)
	if x.in.Stopping != nil && isEventStream(res.Header) {
		res.Body = newEventStream(x.in.Stopping, res.Body)
	}
	res.Body = &answerBody{ReadCloser: res.Body, proxy: p, res: res}
	return nil
}

// cleanAnswer removes from an app's headers or trailers what only the gateway
// may say: its cookies, its own headers, and at which address it is reached.
func (p *Proxy) cleanAnswer(h http.Header) {
	for name := range h {
		if name == "Alt-Svc" || isOwnHeader(name) {
			delete(h, name)
		}
	}
	if h["Set-Cookie"] != nil {
		dropOwnCookies(h)
	}
}

// bindCookies binds what an app sets to who asked, once for each answer.
func (x *exchange) bindCookies(h http.Header) {
	if x.proxy.cookies != nil {
		x.proxy.cookies.bind(h, x.in.Who.who())
	}
}

func isOwnHeader(name string) bool {
	const family = "x-gateway-"
	var buf [maxFolded]byte
	folded := appendFolded(buf[:0], name)
	return len(folded) >= len(family) && string(folded[:len(family)]) == family || string(folded) == "x-notify"
}

// answerBody cleans the trailers that have come when the body is closed, which
// is just before they are copied.
type answerBody struct {
	io.ReadCloser
	proxy *Proxy
	res   *http.Response
}

func (b *answerBody) Close() error {
	err := b.ReadCloser.Close()
	b.proxy.cleanAnswer(b.res.Trailer)
	return err
}

// publicURL returns the public form of an absolute URL that points at the app
// as only the gateway reaches it, or at the public host as the app believes it
// to be reached: without TLS, or at its own port. Any other URL is returned as
// it is, and so is everything behind the authority.
func (p *Proxy) publicURL(raw string) string {
	start := strings.Index(raw, "//")
	if start < 0 {
		return raw
	}
	if scheme := strings.ToLower(raw[:start]); scheme != "" && scheme != "http:" && scheme != "https:" {
		return raw
	}
	authority, rest := raw[start+2:], ""
	if end := strings.IndexAny(authority, "/\\?#'\"` "); end >= 0 {
		authority, rest = authority[:end], authority[end:]
	}
	if !p.isInternal(authority) {
		return raw
	}
	return p.public.Scheme + "://" + p.public.Host + rest
}

func (p *Proxy) isInternal(authority string) bool {
	host, port := splitAuthority(authority)
	targetPort := p.target.Port()
	for _, known := range [...]string{p.target.Host, p.sentHost, p.public.Host} {
		knownHost, knownPort := splitAuthority(known)
		if strings.EqualFold(host, knownHost) && (port == "" || port == knownPort || port == targetPort) {
			return true
		}
	}
	return false
}

// splitAuthority splits "host:port" and takes the default ports for none.
func splitAuthority(authority string) (host, port string) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return authority, ""
	}
	host, port = authority[:i], authority[i+1:]
	if port == "80" || port == "443" {
		port = ""
	}
	return host, port
}

// publicRefresh does what publicURL does for "5; url=http://…".
func (p *Proxy) publicRefresh(value string) string {
	i := strings.Index(strings.ToLower(value), "url=")
	if i < 0 || len(strings.ToLower(value)) != len(value) {
		return value
	}
	i += len("url=")
	for i < len(value) && strings.IndexByte(` "'`, value[i]) >= 0 {
		i++
	}
	return value[:i] + p.publicURL(value[i:])
}
