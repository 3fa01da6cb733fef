package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/doctor"
	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/notifyhook"
	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

const (
	host         = "agrafmania.example"
	team         = "T0AGRAF001"
	clientSecret = "client-secret-of-agrafmania"
	botToken     = "xoxb-token-of-agrafmania"
	hookToken    = "ck_agrafmania_0123456789"
	masterKey    = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// clinic is a gateway of one route that is in good health: Slack, the app, the
// public address with a certificate, and a store. Tests make it ill.
type clinic struct {
	t       *testing.T
	slack   *slacksim.Server
	app     *httptest.Server
	public  *httptest.Server
	front   http.Handler // what the public address leads to
	sealer  *gateway.Sealer
	gateway *gateway.Gateway
	cfg     doctor.Config
	route   *configs.Route // the one in cfg
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	state := t.TempDir()
	return newClinicWith(t, state, openStore(t, state))
}

func openStore(t *testing.T, state string) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), state, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// newClinicWith is newClinic on a store that others may have, too: to make one
// takes longer than all else.
func newClinicWith(t *testing.T, state string, st *store.Store) *clinic {
	t.Helper()
	c := &clinic{t: t, sealer: new(gateway.Sealer)}
	c.startSlack()
	c.app = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(c.app.Close)
	c.public = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.front.ServeHTTP(w, r) }))
	c.public.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	roots := x509.NewCertPool()
	c.certify(roots, host, time.Now().Add(90*24*time.Hour))
	c.public.StartTLS()
	t.Cleanup(c.public.Close)
	_, port, err := net.SplitHostPort(c.public.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &configs.Config{
		ReservedPrefix: "/.gateway", PublicScheme: "https", PublicPort: number, State: secret.String(state),
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Slack:          gateway.Slack{Issuer: c.slack.URL(), APIURL: c.slack.APIURL()},
		Routes: []configs.Route{{
			Host: host, Workspace: team, Upstream: &proxy.Upstream{URL: c.app.URL},
			SlackApp: gateway.SlackApp{ClientID: "1.2", ClientSecret: clientSecret, BotToken: botToken},
			Login:    &gateway.Login{},
			Notify:   &notifyhook.Settings{Hooks: []notifyhook.Hook{{ID: "h", To: "#general"}}, Fallback: []string{"C0VENTES", "marie@agrafmania.fr"}},
			Policy:   []policy.Rule{{Path: "/**", Allow: policy.Allow{Usergroups: []string{"cocoom-admins", "S0A"}}}},
		}},
	}
	c.route = &cfg.Routes[0]
	if err := c.slack.UpdateApp("A0", func(a *slacksim.App) { a.RedirectURLs = []string{cfg.Origin(host) + "/.gateway/callback"} }); err != nil {
		t.Fatal(err)
	}
	c.startGateway(cfg, st)
	c.cfg = doctor.Config{
		Config: cfg, Store: st, Answered: c.sealer.Answered, Running: true, Roots: roots, Witness: c.gateway.Witness,
		Alarms:     func() []doctor.Alarm { return nil },
		Pending:    func() (string, []string) { return "", nil },
		Rings:      func(context.Context) ([]doctor.Ring, error) { return rings(24*time.Hour, 29*24*time.Hour), nil },
		LookupHost: func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil },
	}
	return c
}

func rings(age, next time.Duration) []doctor.Ring {
	return []doctor.Ring{{Purpose: "cookies", Since: time.Now().Add(-age), Next: time.Now().Add(next)}}
}

func (c *clinic) startSlack() {
	c.t.Helper()
	var err error
	if c.slack, err = slacksim.Listen("127.0.0.1:0", slacksim.Config{}); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { c.slack.Close() })
	for _, id := range []string{team, "T0OTHER001"} {
		if err := c.slack.AddWorkspace(slacksim.Workspace{ID: id, Name: "Team " + id, Domain: strings.ToLower(id),
			People:     []slacksim.Person{{ID: "U0MARIE", Name: "Marie Dupont", Email: "marie@agrafmania.fr"}},
			Channels:   []slacksim.Channel{{ID: "C0GENERAL", Name: "general"}, {ID: "C0VENTES", Name: "ventes", Private: true}},
			Usergroups: []slacksim.Usergroup{{ID: "S0A", Handle: "cocoom-admins"}, {ID: "S0B", Handle: "off", Disabled: true}}}); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := c.slack.AddApp(slacksim.App{ID: "A0", Name: "Cocoom", ClientID: "1.2", ClientSecret: clientSecret, Workspace: team, BotToken: botToken, MessagesTab: true,
		BotScopes: allScopes(), Channels: []string{"C0VENTES"}}); err != nil {
		c.t.Fatal(err)
	}
}

// allScopes are those that the route needs, and no optional one but groups:read.
func allScopes() []string {
	return []string{"chat:write", "chat:write.public", "im:write", "users:read", "users:read.email", "channels:read", "groups:read", "usergroups:read"}
}

// without takes scopes from the bot.
func (c *clinic) without(scopes ...string) {
	c.t.Helper()
	var left []string
	for _, s := range allScopes() {
		if !strings.Contains(strings.Join(scopes, " ")+" ", s+" ") {
			left = append(left, s)
		}
	}
	if err := c.slack.SetScopes(botToken, left...); err != nil {
		c.t.Fatal(err)
	}
}

// startGateway makes a real one, for probes and sign-ins.
func (c *clinic) startGateway(cfg *configs.Config, st *store.Store) {
	c.t.Helper()
	if err := c.sealer.Set([]gateway.SealKey{{ID: "k1", Value: make([]byte, 32)}}); err != nil {
		c.t.Fatal(err)
	}
	id, err := proxy.NewIdentifier(proxy.Config{Origin: cfg.Origin(host), Host: host, Keys: proxy.NewKeys()})
	if err != nil {
		c.t.Fatal(err)
	}
	c.gateway, err = gateway.New(c.t.Context(), gateway.Config{Prefix: "/.gateway", Store: st, Log: slog.New(slog.DiscardHandler), Sealer: c.sealer, Settings: gateway.Settings{
		Slack:  cfg.Slack,
		Routes: []gateway.Route{{Host: host, Origin: cfg.Origin(host), Workspace: team, SlackApp: c.route.SlackApp, Login: c.route.Login, Identifier: id}}}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.front = c.gateway
}

// certify gives the public address a certificate of an authority in roots.
func (c *clinic) certify(roots *x509.CertPool, name string, until time.Time) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: until.Add(-100 * 24 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		c.t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	roots.AddCert(certificate)
	pair := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	c.public.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }}
}

// recertify replaces the certificate of the public address, which runs.
func (c *clinic) recertify(name string, until time.Time, known bool) {
	c.t.Helper()
	roots := x509.NewCertPool()
	c.certify(roots, name, until)
	pick := c.public.TLS.GetCertificate
	front := httptest.NewUnstartedServer(c.public.Config.Handler)
	front.Config.ErrorLog = c.public.Config.ErrorLog
	front.TLS = &tls.Config{GetCertificate: pick}
	front.StartTLS()
	c.t.Cleanup(front.Close)
	c.cfg.Config.PublicPort = front.Listener.Addr().(*net.TCPAddr).Port
	if known {
		c.cfg.Roots = roots
	}
	if err := c.slack.UpdateApp("A0", func(a *slacksim.App) { a.RedirectURLs = []string{c.cfg.Config.Origin(host) + "/.gateway/callback"} }); err != nil {
		c.t.Fatal(err)
	}
}

// examine gives all findings; no secret may be in them.
func (c *clinic) examine() (list []doctor.Finding, sum doctor.Summary) {
	c.t.Helper()
	err := doctor.New(c.cfg).Run(c.t.Context(), nil, func(e doctor.Event) {
		if e.Finding != nil {
			list = append(list, *e.Finding)
		}
		if e.Summary != nil {
			sum = *e.Summary
		}
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.noSecret(list)
	return list, sum
}

// noSecret fails if something may not be printed.
func (c *clinic) noSecret(v any) {
	c.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, s := range []string{clientSecret, botToken, hookToken, masterKey, "xoxp-", "eyJ"} {
		if strings.Contains(string(text), s) {
			c.t.Errorf("%s is in %s", s, text)
		}
	}
}

// wait puts deliveries into the queue that have been due since then.
func (c *clinic) wait(batch, n int, since time.Time) {
	c.t.Helper()
	err := c.cfg.Store.Write(c.t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		for i := range n {
			id := fmt.Sprintf("%d-%d", batch, i)
			if _, err := tx.ExecContext(ctx, `INSERT INTO notification (id, route, request, accepted_at, expires_at) VALUES ($1, $2, '{}', $3, 9000000000000)`, id, host, since.UnixMilli()); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO delivery (id, notification_id, route, recipient, lane, accepted_at, due_at) VALUES ($1, $1, $2, '#general', 'l', $3, $3)`, id, host, since.UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}
