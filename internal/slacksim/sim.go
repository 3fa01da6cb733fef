package slacksim

import (
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Config says how a simulator is reached and what it uses.
type Config struct {
	// BaseURL is the address clients use, without a trailing slash, such as
	// http://localhost:8081. It is also the OpenID issuer.
	BaseURL string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log receives one debug line a call; nil discards.
	Log *slog.Logger
	// Client sends events; nil means one with Slack's three seconds, for which
	// .localhost is this machine.
	Client *http.Client
	// NoChannelLimit switches off one message a second per conversation.
	NoChannelLimit bool
	// NoMethodLimit switches off the limits per method and minute.
	NoMethodLimit bool
}

// Sim is a Slack in memory. Make one with [New]; its methods may be called at
// any time, from any goroutine.
type Sim struct {
	cfg     Config
	mux     *http.ServeMux
	methods map[string]method
	pages   *template.Template
	markup  *markup

	mu         sync.Mutex // guards all below
	workspaces map[string]*workspace
	order      []string        // workspace ids as added
	apps       map[string]*app // by id
	appOrder   []string
	tokens     map[string]*token
	grants     map[string]*grant // by authorization code
	keys       []signingKey      // the first one signs
	limits     limits
	faults     []*Fault
	calls      []*Call
	signedInAs *personRef
	lastTS     int64         // microseconds; message timestamps never repeat
	changed    chan struct{} // closed and replaced when a message or call arrives
	released   chan struct{} // closed and replaced by Release
}

// New makes an empty simulator. It fails when the base URL is not an absolute
// http or https address.
func New(cfg Config) (*Sim, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, errors.New("base URL must be http://HOST or https://HOST")
	}
	cfg.BaseURL = strings.TrimRight(cfg.BaseURL, "/")
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if cfg.Client == nil {
		cfg.Client = eventClient()
	}
	s := &Sim{
		cfg:        cfg,
		markup:     newMarkup(),
		workspaces: map[string]*workspace{},
		apps:       map[string]*app{},
		tokens:     map[string]*token{},
		grants:     map[string]*grant{},
		limits:     limits{next: map[string]time.Time{}, windows: map[string]window{}},
		changed:    make(chan struct{}),
		released:   make(chan struct{}),
	}
	if s.pages, err = parsePages(); err != nil {
		return nil, err
	}
	s.methods = s.methodTable()
	s.mux = s.routes()
	return s, nil
}

// URL is the base URL, which is also the OpenID issuer.
func (s *Sim) URL() string { return s.cfg.BaseURL }

// APIURL is the address of the Web API, with the trailing slash that
// slack-go's OptionAPIURL wants.
func (s *Sim) APIURL() string { return s.cfg.BaseURL + "/api/" }

// ServeHTTP answers as slack.com, api.slack.com and hooks.slack.com would.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Sim) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", s.faulty("discovery", s.serveDiscovery))
	mux.HandleFunc("GET /openid/connect/keys", s.faulty("keys", s.serveKeys))
	mux.HandleFunc("GET /openid/connect/authorize", s.faulty("authorize", s.showAuthorize))
	mux.HandleFunc("POST /openid/connect/authorize", s.decideAuthorize)
	mux.HandleFunc("GET /oauth/v2/authorize", s.faulty("authorize", s.showAuthorize))
	mux.HandleFunc("POST /oauth/v2/authorize", s.decideAuthorize)
	mux.HandleFunc("/api/{method}", s.serveAPI)
	mux.HandleFunc("/services/{team}/{hook}/{secret}", s.serveWebhook)
	mux.HandleFunc("GET /{$}", s.showHome)
	mux.HandleFunc("GET /apps", s.showApps)
	mux.HandleFunc("POST /apps", s.createApp)
	mux.HandleFunc("GET /apps/{app}/general", s.showApp)
	mux.HandleFunc("POST /apps/{app}/events", s.verifyEvents)
	mux.HandleFunc("GET /apps/{app}/icon", s.serveIcon)
	mux.HandleFunc("POST /apps/{app}/icon", s.takeIcon)
	mux.HandleFunc("GET /workspace/{team}", s.showWorkspace)
	mux.HandleFunc("POST /workspace/{team}/people/{user}", s.managePerson)
	mux.HandleFunc("GET /assets/slack.css", serveStyle)
	mux.HandleFunc("GET /avatar/{team}/{user}", s.serveAvatar)
	return mux
}

// notify wakes all that wait for a message or a call. The caller holds mu.
func (s *Sim) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// maxBody bounds what a request may carry.
const maxBody = 1 << 20
