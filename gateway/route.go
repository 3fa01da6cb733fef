package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/cocoom/cocoom-gateway/internal/manifest"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// Route is one public host and what stands behind it.
type Route struct {
	Host          string // lower case, without port
	Origin        string // how browsers name it: scheme://host[:port]
	Workspace     string // Slack team id; nobody from another one gets in
	WorkspaceName string // for pages; empty: the id
	SlackApp      SlackApp
	Login         *Login         // nil: the route has no login
	Policy        *policy.Policy // nil denies everything
	EncodedSlash  bool           // let %2F in paths pass
	Upstream      *proxy.Proxy   // nil: the gateway carries no requests to the app, or there is none
	Notify        http.Handler   // takes /v1/…, /services/… and /slack/api/…, with the client's own RemoteAddr; nil: the route has no notifications
	Maintenance   *Maintenance   // nil: none
	ServiceTokens []ServiceToken // of programs without a person
	FoldCase      bool           // match the tokens' paths without regard to case, as Policy does
	// Identifier tells proxies that use forward auth who is signed in; nil:
	// Upstream's. A route with login needs one of the two.
	Identifier *proxy.Identifier

	// Manifest is that of the Slack app as the route needs it. Its bot scopes are
	// what installing the app asks for.
	Manifest *manifest.Manifest

	// WantsHookToken says that the route takes notifications, and that the
	// configuration gives nobody a credential to send any: setting up a managed app
	// makes a token.
	WantsHookToken bool

	// SignOut are the app's own sign-outs, which end our session too; nil: none.
	SignOut *policy.Requests

	conf     *configured    // that the route is part of
	callback string         // the path Slack sends people back to
	tokens   serviceTokens  // ServiceTokens made ready
	testers  *policy.Policy // lets through whom Maintenance.Allow names
	counters *routeCounters // nil: nothing is counted
}

// workspace is what pages call the route's workspace.
func (rt *Route) workspace() string {
	if rt.WorkspaceName != "" {
		return rt.WorkspaceName
	}
	return rt.Workspace
}

// secure reports whether browsers reach the route over https.
func (rt *Route) secure() bool { return strings.HasPrefix(rt.Origin, "https:") }

// table finds a route by its host.
type table map[string]*Route

func newTable(routes []Route, prefix string) (table, error) {
	t := make(table, len(routes))
	for _, rt := range routes {
		host := rt.Host
		if t[host] != nil {
			return nil, fmt.Errorf("host %s has two routes", host)
		}
		if rt.Upstream != nil && rt.Identifier == nil {
			rt.Identifier = rt.Upstream.Identifier
		}
		if rt.Login != nil {
			if rt.Identifier == nil {
				return nil, fmt.Errorf("host %s has login, but no app is told who is signed in", host)
			}
			rt.callback = rt.Login.CallbackPath(prefix)
		}
		var err error
		if rt.tokens, err = newServiceTokens(rt.ServiceTokens, rt.FoldCase); err != nil {
			return nil, fmt.Errorf("route %s: %w", host, err)
		}
		if rt.Maintenance != nil {
			if rt.testers, err = policy.New(rt.Maintenance.Allow.rules(), false); err != nil {
				return nil, fmt.Errorf("route %s: maintenance: %w", host, err)
			}
		}
		t[host] = &rt
	}
	return t, nil
}

// find gives the route of a Host header, or nil. Hosts are compared exactly,
// after what RFC 9110 and DNS say is the same: case, a port, a trailing dot.
func (t table) find(host string) *Route {
	if rt := t[host]; rt != nil {
		return rt
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		if strings.Trim(host[i+1:], "0123456789") != "" {
			return nil
		}
		host = host[:i]
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) {
		return nil // ToLower would make "i" of "İ" and "k" of the sign for kelvin
	}
	return t[strings.ToLower(strings.TrimSuffix(host, "."))]
}
