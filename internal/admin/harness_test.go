package admin_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/doctor"
	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/notifyhook"
	"github.com/cocoom/cocoom-gateway/proxy"
	"github.com/prometheus/client_golang/prometheus"
)

// listener is an operators' listener in front of a gateway with two routes.
type listener struct {
	http.Handler
	t      *testing.T
	store  *store.Store
	rotate int // how often keys were
	log    *bytes.Buffer
	broken error // what the check of the store says
	// mistakes is what the configuration's file has.
	mistakes string

	resolving func() // is called when an examination asks for a host; nil: nothing
}

func newListener(t *testing.T, change ...func(*admin.Config)) *listener {
	return newListenerWith(t, "", change...)
}

// newListenerWith is newListener with an admin token; empty: none.
func newListenerWith(t *testing.T, token secret.String, change ...func(*admin.Config)) *listener {
	t.Helper()
	st, err := store.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return newListenerOn(t, st, token, change...)
}

// newListenerOn is newListenerWith on a store that somebody else closes.
func newListenerOn(t *testing.T, st *store.Store, token secret.String, change ...func(*admin.Config)) *listener {
	t.Helper()
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	relay, err := notifyhook.New(notifyhook.Config{Store: st, Log: log, Routes: []notifyhook.Route{{Host: "b.localhost", BotToken: "xoxb-b", Settings: notifyhook.Settings{
		BearerTokens: []notifyhook.Credential{{ID: "t1", Value: "0123456789abcdef"}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := gateway.Config{Prefix: "/.gateway", Store: st, Log: log, Sealer: new(gateway.Sealer)}
	for _, host := range []string{"a.localhost", "b.localhost"} {
		id, err := proxy.NewIdentifier(proxy.Config{Origin: "http://" + host, Host: host, Keys: proxy.NewKeys()})
		if err != nil {
			t.Fatal(err)
		}
		rt := gateway.Route{Host: host, Origin: "http://" + host, Workspace: "T1", Login: &gateway.Login{PinEmail: true}, Identifier: id}
		if host == "b.localhost" {
			rt.Notify = relay.Handler(host)
		}
		cfg.Routes = append(cfg.Routes, rt)
	}
	cfg.Routes = append(cfg.Routes, gateway.Route{Host: "m.localhost", Origin: "http://m.localhost", SlackApp: gateway.SlackApp{Managed: true}, WantsHookToken: true})
	if cfg.Master, err = store.LoadMaster(t.TempDir(), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="); err != nil {
		t.Fatal(err)
	}
	front, err := gateway.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{t: t, store: st, log: &said}
	shown := admin.Config{
		Relay: relay, Gateway: front, Log: log, Token: token, Version: "test",
		Configuration: func() admin.Configuration { return admin.Configuration{Generation: 3, Routes: 3, Error: l.mistakes} },
		Doctor: func() *doctor.Doctor {
			return doctor.New(doctor.Config{Store: st, LookupHost: l.lookup, Config: &configs.Config{ReservedPrefix: "/.gateway", PublicScheme: "http", PublicPort: 1,
				State: "postgres://nowhere", Slack: gateway.Slack{Issuer: "http://127.0.0.1:1", APIURL: "http://127.0.0.1:1/"}, Routes: []configs.Route{{Host: "a.localhost"}}}})
		},
		Ready: []admin.Check{{Name: "store", Run: func(context.Context) error { return l.broken }}},
		Keys: admin.Keys{
			PEM:    func() map[string]string { return map[string]string{"k1": "-----BEGIN PUBLIC KEY-----"} },
			Rotate: func(context.Context) error { l.rotate++; return nil },
		},
	}
	for _, f := range change {
		shown.Metrics.Registry = prometheus.NewRegistry()
		f(&shown)
	}
	l.Handler = admin.New(shown)
	return l
}

// ask sends what a command would, but for the headers named in pairs.
func (l *listener) ask(method, path, body string, header ...string) (int, string) {
	l.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host, r.RemoteAddr = "127.0.0.1:9090", "127.0.0.1:4000"
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	rec := httptest.NewRecorder()
	l.ServeHTTP(rec, r)
	if rec.Header().Get("Cache-Control") != "no-store" && rec.Code != 404 && rec.Code != 405 && rec.Code != 303 {
		l.t.Errorf("%s %s may be kept by caches", method, path)
	}
	return rec.Code, rec.Body.String()
}

// exec writes to the store.
func (l *listener) exec(query string, args ...any) {
	l.t.Helper()
	err := l.store.Write(l.t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// audit gives who did what to what.
func (l *listener) audit() (deeds []string) {
	l.t.Helper()
	rows, err := l.store.Read().Query(`SELECT actor, action, object FROM audit ORDER BY seq`)
	if err != nil {
		l.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var deed [3]string
		if err := rows.Scan(&deed[0], &deed[1], &deed[2]); err != nil {
			l.t.Fatal(err)
		}
		deeds = append(deeds, strings.TrimSpace(strings.Join(deed[:], " ")))
	}
	return deeds
}

// lookup finds no host.
func (l *listener) lookup(context.Context, string) ([]string, error) {
	if l.resolving != nil {
		l.resolving()
	}
	return nil, errors.New("no such host")
}

// logTo has the listener log to w.
func logTo(w io.Writer) func(*admin.Config) {
	return func(cfg *admin.Config) { cfg.Log = slog.New(slog.NewTextHandler(w, nil)) }
}
