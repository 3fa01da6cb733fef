package doctor

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/proxy"
)

const (
	slowUpstream = 2 * time.Second
	// headSlack is what a request's line, Host and other headers take.
	headSlack = 256
	// assertionBytes is what a signed identity without usergroups takes at most in
	// practice, with the plain headers beside it: long names, RS256.
	assertionBytes = 1500
)

// upstream looks at the app behind a route.
func (d *Doctor) upstream(ctx context.Context, rt *configs.Route, n *notes) {
	if rt.Upstream == nil {
		return
	}
	transport, err := proxy.NewTransport(*rt.Upstream)
	if err != nil {
		n.wrong("upstream", "mend upstream.tls.ca", "its settings do not hold: %s", err)
		return
	}
	transport.DisableKeepAlives = true
	app := &upstreamApp{transport: transport, target: rt.Upstream.URL, host: d.sentHost(rt)}
	begun := time.Now()
	status, connected, err := app.head(ctx, "", 0)
	took := time.Since(begun)
	switch {
	case err != nil && connected:
		n.wrong("upstream", "look at the app's own log", "the app takes connections, but does not answer: %s", unreachable(err))
	case err != nil:
		n.wrong("upstream", "start the app, or mend upstream in the configuration; its address must be reachable from the gateway", "the app cannot be reached: %s", unreachable(err))
	case status >= 500:
		n.warn("upstream", "look at the app's own log; HEAD / was asked for", "the app answers %d", status)
	case took > slowUpstream:
		n.warn("upstream", "look at what the app does on HEAD /", "the app answers %d, but after %s", status, took.Round(10*time.Millisecond))
	default:
		n.ok("upstream", "the app answers %d to HEAD / after %s", status, took.Round(time.Millisecond))
	}
	if err == nil && rt.Login != nil {
		d.headerLimit(ctx, rt, app, n)
	}
}

// sentHost is the Host header that the app gets.
func (d *Doctor) sentHost(rt *configs.Route) string {
	if rt.Upstream.Host != "" {
		return rt.Upstream.Host
	}
	origin, err := url.Parse(d.cfg.Config.Origin(rt.Host))
	if err != nil {
		return rt.Host
	}
	return origin.Host
}

type upstreamApp struct {
	transport    *http.Transport
	target, host string
}

// head asks for HEAD / with one header of so many bytes; connected says whether
// there was anybody.
func (a *upstreamApp) head(ctx context.Context, name string, size int) (status int, connected bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, strings.TrimSuffix(a.target, "/")+"/", nil)
	if err != nil {
		return 0, false, err
	}
	req.Host = a.host
	req.Header.Set("User-Agent", "cocoom-gateway-doctor")
	if size > 0 {
		req.Header.Set(name, strings.Repeat("x", size))
	}
	resp, err := a.transport.RoundTrip(req)
	if err != nil {
		return 0, connected, err
	}
	resp.Body.Close()
	return resp.StatusCode, true, nil
}

// headerLimit finds out how large the headers may be that the app's server
// takes. What it takes is compared with what the gateway may send.
func (d *Doctor) headerLimit(ctx context.Context, rt *configs.Route, app *upstreamApp, n *notes) {
	const (
		usual  = 8 // KiB; what nginx and Apache take as they come
		remedy = "raise it: LimitRequestFieldSize in Apache, large_client_header_buffers in nginx, server.max-request-field-size in lighttpd"
	)
	usualStatus, _, _ := app.head(ctx, "", 0)
	need := assertionBytes + d.groupBytes(ctx, rt)
	name := cmp.Or(rt.Headers.Assertion, "X-Gateway-Assertion")
	taken := 0
	for _, kib := range []int{2, 4, 8, 16} {
		status, _, err := app.head(ctx, "X-Doctor-Padding", kib<<10-headSlack)
		if err == nil && !refusesHeaders(status, usualStatus) {
			taken = kib
			continue
		}
		how := "closing the connection"
		if err == nil {
			how = http.StatusText(status)
			if how == "" {
				how = "a refusal"
			}
		}
		limit := "the app's server refuses headers of %d KiB (%s)"
		switch {
		case taken<<10 < need:
			n.wrong("headers", remedy, limit+"; %s and the usergroups may take %s here", kib, how, name, kibs(need))
		case taken < usual:
			n.wrong("headers", remedy, limit+"; %s takes up to %s here, and browsers' cookies come besides", kib, how, name, kibs(need))
		default:
			n.ok("headers", limit+"; %s and the usergroups take up to %s here", kib, how, name, kibs(need))
		}
		return
	}
	n.ok("headers", "the app's server takes headers of 16 KiB; %s and the usergroups take up to %s here", name, kibs(need))
}

// refusesHeaders reports whether a status says that a request's head is too
// large; 494 is nginx's own.
func refusesHeaders(status, usual int) bool {
	switch status {
	case usual:
		return false
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge, 494:
		return true
	}
	return status >= 500
}

// groupBytes is what the handles of all usergroups take of somebody who is in
// each: once plain, and once in the assertion, in base64.
func (d *Doctor) groupBytes(ctx context.Context, rt *configs.Route) int {
	if rt.SlackApp.BotToken == "" || !namesGroups(rt) {
		return 0
	}
	total := 0
	for handle := range d.bot(ctx, rt).usergroups(ctx, d).handles {
		total += len(handle) + 1 + (len(handle)+3)*4/3
	}
	return total
}
