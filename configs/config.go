package configs

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/notifyhook"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

// Config is a whole configuration, as Load gives it: defaults filled in,
// secrets resolved, included routes appended, nothing in it mistaken.
type Config struct {
	// Listen is the public listener's address; default ":8080".
	Listen string `yaml:"listen"`
	// Admin is the operators' listener's address; default "127.0.0.1:9090".
	Admin string `yaml:"admin"`
	// AdminToken is what operators' programs and browsers must show where Admin
	// is not on loopback; at least 16 characters. Empty: none is asked for.
	AdminToken secret.String `yaml:"admin_token"`
	// Private is the address of the listener inside the network (notification
	// API, forward auth, signing keys, probes; plain HTTP); empty: none.
	Private string `yaml:"private"`
	// State is a directory, relative to the file, or a postgres:// URL, which may
	// hold a password; default "./data".
	State secret.String `yaml:"state"`
	// MasterKey seals the key ring in the store: 32 bytes in base64 or hex. With
	// PostgreSQL it must be given; empty: one is made in the directory State.
	MasterKey secret.String `yaml:"master_key"`
	// PublicScheme is how browsers reach the gateway: "https" (default) or,
	// for hosts of this machine only, "http".
	PublicScheme string `yaml:"public_scheme"`
	// PublicPort is the port browsers use; 0: the scheme's own, or that of Listen
	// where browsers reach it themselves.
	PublicPort int `yaml:"public_port"`
	// TrustedProxies are the peers whose X-Forwarded-For is believed; none: nobody.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
	// ReservedPrefix is where the gateway's own pages stand on every host;
	// default "/.gateway".
	ReservedPrefix string `yaml:"reserved_prefix"`
	// TLS ends TLS in the gateway; empty: a front proxy does.
	TLS TLS `yaml:"tls"`
	// Tracing sends OpenTelemetry traces; empty: none.
	Tracing Tracing `yaml:"tracing"`
	// Slack says where Slack is.
	Slack gateway.Slack `yaml:"slack"`
	// Session bounds how long a sign-in lasts.
	Session gateway.SessionTimes `yaml:"session"`
	// Limits bounds what one client may do that mostly strangers do in vain.
	Limits gateway.ClientLimits `yaml:"limits"`
	// Include are patterns, such as routes.d/*.yaml, of files that hold one route
	// or a list of routes each.
	Include []string `yaml:"include"`
	// Routes are the file's own routes, then the included ones.
	Routes []Route `yaml:"routes"`
}

// TLS ends TLS in the gateway: with the files of a certificate and its key, both
// PEM, or with certificates that an authority gives by ACME (RFC 8555), or with
// both: then ACME is asked for the hosts that the certificate is not for. Its
// zero value does not: a front proxy does.
type TLS struct {
	Cert string `yaml:"cert"` // the certificate, then its chain
	Key  string `yaml:"key"`  // that of the certificate
	// ACME asks for certificates of exactly the routes' hosts; nil: none.
	ACME *ACME `yaml:"acme"`
	// Redirect is the address of a plain listener, such as ":80", that sends
	// browsers to https and answers ACME's HTTP challenges; empty: none.
	Redirect string `yaml:"redirect"`
	// HSTS is for how long browsers shall insist on https; default 720h.
	HSTS HSTS `yaml:"hsts"`
}

// On reports whether the gateway ends TLS.
func (t TLS) On() bool { return t.Cert != "" || t.ACME != nil }

// ACME says whom to ask for certificates.
type ACME struct {
	// Email is told by the authority when something is wrong.
	Email string `yaml:"email"`
	// Directory is the authority's directory URL; empty: Let's Encrypt's.
	Directory string `yaml:"directory"`
	// CA is a PEM bundle that the directory's own certificate is checked against;
	// empty: the system's.
	CA secret.String `yaml:"ca"`
}

// Tracing says where OpenTelemetry traces go.
type Tracing struct {
	// Endpoint is the OTLP/HTTP collector's URL, such as http://127.0.0.1:4318;
	// empty: no traces.
	Endpoint string `yaml:"endpoint"`
	// Sample is the share of requests that are traced, 0 to 1, where nobody who is
	// trusted has decided it already; 0 means 1 in 100.
	Sample float64 `yaml:"sample"`
}

// Route is one public host and what the gateway does for it. It has a login,
// or notifications, or both.
type Route struct {
	// Host is the public host: lower case, no port, no trailing dot. An IPv6
	// address stands in brackets.
	Host string `yaml:"host"`
	// Upstream is the app. There is none (nil) on a route that has notifications
	// only, or whose app another proxy is in front of, which asks on the private
	// listener.
	Upstream *proxy.Upstream `yaml:"upstream"`
	// Workspace is the Slack team id; nobody from another one gets in.
	Workspace string `yaml:"workspace"`
	// WorkspaceName is what pages call the workspace; empty: its id.
	WorkspaceName string `yaml:"workspace_name"`
	// SlackApp is the route's own Slack app. Its signing secret tells that
	// Slack's events come from Slack.
	SlackApp gateway.SlackApp `yaml:"slack_app"`
	// Login lets people sign in; nil: the route has no login.
	Login *gateway.Login `yaml:"login"`
	// Notify takes and sends notifications; nil: the route has none.
	Notify *notifyhook.Settings `yaml:"notify"`
	// Policy are the rules, the first that matches decides; none lets nobody
	// pass. A route with login whose file has no policy key gets one rule:
	// members may open everything.
	Policy []policy.Rule `yaml:"policy"`
	// ServiceTokens are those of programs without a person, which policy rules
	// name by their ids.
	ServiceTokens []gateway.ServiceToken `yaml:"service_tokens"`
	// Maintenance shows a page instead of the app; nil: none.
	Maintenance *gateway.Maintenance `yaml:"maintenance"`
	// CaseInsensitive makes the policy's paths match without regard to case,
	// for apps whose server does.
	CaseInsensitive bool `yaml:"case_insensitive"`
	// EncodedSlash is what happens to a path that holds %2F: "refuse"
	// (default) or "allow".
	EncodedSlash string `yaml:"encoded_slash"`
	// Headers names the identity headers the app receives.
	Headers proxy.Headers `yaml:"headers"`
	// Assertion says how the signed identity is made.
	Assertion proxy.Assertion `yaml:"assertion"`

	rulesAt []string // file:line of each rule that stands in a file
}

// RuleAt says where rule i of the route's policy stands, as "file:line"; "" for
// one that stands in no file, such as that of a route without a policy key.
func (r *Route) RuleAt(i int) string {
	if i < 0 || i >= len(r.rulesAt) {
		return ""
	}
	return r.rulesAt[i]
}

// defaults is what a file is decoded over.
func defaults() Config {
	return Config{
		Listen:         ":8080",
		Admin:          "127.0.0.1:9090",
		State:          "./data",
		PublicScheme:   "https",
		ReservedPrefix: "/.gateway",
		TLS:            TLS{HSTS: defaultHSTS},
	}
}

// membersOnly is the policy of a route with login that has no policy key.
func membersOnly() []policy.Rule {
	return []policy.Rule{{Path: "/**", Allow: policy.Allow{Members: true}}}
}

// Origin gives the public origin of a Route.Host of this configuration, such as
// "https://agrafmania.cocoom.com" or "http://agrafmania.localhost:8080". The
// port is PublicPort; where that is 0 it is the port of Listen if browsers
// reach it themselves (plain http, or TLS ended here), else the scheme's own.
func (c *Config) Origin(host string) string {
	port := c.publicPort()
	if port == 0 || (c.PublicScheme == "https" && port == 443) || (c.PublicScheme == "http" && port == 80) {
		return c.PublicScheme + "://" + host
	}
	return c.PublicScheme + "://" + host + ":" + strconv.Itoa(port)
}

func (c *Config) publicPort() int {
	if c.PublicPort != 0 || (c.PublicScheme == "https" && !c.TLS.On()) {
		return c.PublicPort
	}
	_, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return n
}
