package notifyhook

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func ponged(t testing.TB, w *httptest.ResponseRecorder) pong {
	t.Helper()
	var out pong
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 || !out.OK {
		t.Fatalf("ping: %d %s", w.Code, w.Body)
	}
	return out
}

func TestPing(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		p := ponged(t, call(r, "POST", "/v1/ping", "{}", signed(t, testSecret, "p", clock.now().Add(-7*time.Second), "{}")...))
		if p.Route != host || p.Credential.Kind != bySignature || p.Credential.ID != "k1" || *p.SkewSeconds != -7 || p.Test != nil {
			t.Errorf("got %+v", p)
		}
		if s := p.Slack; !s.OK || s.Team != team || s.TeamName != "Agrafmania" || s.Warning != "" || len(s.Scopes) != len(botScopes()) {
			t.Errorf("Slack %+v", s)
		}
		optional := []string{"channels:history", "groups:history", "im:history", "channels:join", "chat:write.customize"}
		if w := call(r, "POST", "/v1/ping", "{}"); w.Code != 401 {
			t.Errorf("without credential: %d", w.Code)
		}
		for _, row := range []struct{ granted, missing []string }{
			{[]string{"chat:write", "im:write"}, append([]string{"chat:write.public", "users:read.email", "users:read", "channels:read", "groups:read"}, optional...)},
			{botScopes(), optional},
			{append(botScopes(), optional...), nil},
		} {
			if err := sim.SetScopes(botToken, row.granted...); err != nil {
				t.Fatal(err)
			}
			var missing []string
			for _, one := range ponged(t, postTo(r, "/v1/ping", "")).Slack.Missing {
				missing = append(missing, one.Name)
				if one.Breaks == "" {
					t.Errorf("%s breaks nothing", one.Name)
				}
			}
			if !slices.Equal(missing, row.missing) {
				t.Errorf("missing %q, want %q", missing, row.missing)
			}
		}
		r.routes()[host].workspace = "T0OTHER"
		if s := ponged(t, postTo(r, "/v1/ping", "")).Slack; !s.OK || !strings.Contains(s.Warning, "T0OTHER") {
			t.Errorf("another workspace: %+v", s)
		}
		for _, fault := range []struct {
			slacksim.Fault
			want string
		}{
			{slacksim.Fault{Error: "token_revoked"}, "token_revoked"},
			{slacksim.Fault{Kind: slacksim.ServerError}, "http_5xx"},
			{slacksim.Fault{Kind: slacksim.Reset}, "answer_cut_short"},
			{slacksim.Fault{Kind: slacksim.RateLimited, RetryAfter: time.Minute}, "rate_limited"},
			{slacksim.Fault{}, "rate_limited"}, // which still holds
		} {
			sim.ClearFaults()
			sim.Fault(fault.Fault)
			if s := ponged(t, postTo(r, "/v1/ping", "")).Slack; s.OK || s.Error != fault.want || s.Scopes != nil {
				t.Errorf("%+v: %+v", fault, s)
			}
		}
	})
}

func TestPingTellsTheCharset(t *testing.T) {
	r, _, _, _ := relayOn(t, sqliteStore(t))
	for _, tt := range []struct {
		name, contentType, body string
		utf8                    bool
		readAs, text, code      string
	}{
		{"nothing", "application/json", " ", true, "utf-8", "", ""},
		{"JSON", "application/json", `{"text":"validée"}`, true, "utf-8", "validée", ""},
		{"latin1 JSON", "application/json", "{\"text\":\"valid\xe9e\"}", false, "windows-1252", "validée", ""},
		{"form", formType, "text=valid%C3%A9e", true, "utf-8", "validée", ""},
		{"latin1 form", formType, "text=valid%E9e", false, "windows-1252", "validée", ""},
		{"declared", formType + "; charset=ISO-8859-1", "text=valid%E9e", true, "windows-1252", "validée", ""},
		{"UTF-8 read as latin1", formType + "; charset=latin1", "text=valid%C3%A9e", true, "windows-1252", "validÃ©e", ""},
		{"false of PHP", "application/json", "false", true, "utf-8", "", "unparsable"},
		{"long", "application/json", `{"text":"` + strings.Repeat("é", maxEcho+1) + `"}`, true, "utf-8", strings.Repeat("é", maxEcho) + "…", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := ponged(t, postTo(r, "/v1/ping", tt.body, "Content-Type", tt.contentType)).Body
			code := ""
			if b.Problem != nil {
				code = b.Problem.Code
			}
			if b.UTF8 != tt.utf8 || b.ReadAs != tt.readAs || b.Text != tt.text || code != tt.code || b.Bytes != len(tt.body) {
				t.Errorf("got %+v", b)
			}
		})
	}
}

// A test message goes the way of all others, and once for each signed ping.
func TestPingSendsATest(t *testing.T) {
	onSlack(t, func(t *testing.T, r *Relay, sim *slacksim.Sim, clock *fakeClock) {
		body := `{"to":["C0GENERAL"]}`
		headers := signed(t, testSecret, "msg_1", clock.now(), body)
		first := ponged(t, call(r, "POST", "/v1/ping", body, headers...)).Test
		again := ponged(t, call(r, "POST", "/v1/ping", body, headers...)).Test
		if first == nil || first.Status != "queued" || first.Duplicate || again.ID != first.ID || !again.Duplicate {
			t.Fatalf("first %+v, again %+v", first, again)
		}
		step(t, r)
		if m := sim.Messages(team, "C0GENERAL"); len(m) != 1 || !strings.Contains(m[0].Text, host) {
			t.Errorf("messages %q", texts(m))
		}
		if n := show(t, r, first.ID); n.Status != "sent" || n.Type != "ping" || n.Key != "msg_1" {
			t.Errorf("got %+v", n)
		}
		if again := ponged(t, call(r, "POST", "/v1/ping", body, headers...)).Test; again.Status != "sent" {
			t.Errorf("afterwards %+v", again)
		}
		// The same headers do not make it a notification, nor that one a test.
		if w := call(r, "POST", "/v1/notifications", body, headers...); w.Code != 422 {
			t.Errorf("as a notification: %d %s", w.Code, w.Body)
		}
		if w := postTo(r, "/v1/ping", `{"to":["nobody"]}`); w.Code != 422 || decode(t, w).Errors[0].Field != "to[0]" {
			t.Errorf("to nobody: %d %s", w.Code, w.Body)
		}
	})
}

// Operators see when the old secret is unused, also over several processes.
func TestCredentialUse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, clock, _ := newTestRelay(t, s, "")
		other, _, _ := newTestRelay(t, s, "")
		other.now = clock.now
		used := func(r *Relay) string {
			t.Helper()
			list, err := r.CredentialUse(t.Context(), host)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, one := range list {
				at := "-"
				if one.UsedAt != nil {
					at = one.UsedAt.Format("15:04:05")
				}
				out = append(out, fmt.Sprint(one.Kind, ":", one.ID, " ", at))
			}
			return strings.Join(out, ", ")
		}
		if got, want := used(r), "signature:k1 -, signature:k2 -, signature:k0 -, bearer:1 -"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		clock.advance(90 * time.Second)
		call(r, "POST", "/v1/notifications", minimalJSON, signed(t, testSecret, "m", clock.now(), minimalJSON)...)
		call(r, "POST", "/v1/notifications", minimalJSON, signed(t, oldSecret, "m", clock.now(), minimalJSON)...) // refused
		call(r, "POST", "/v1/notifications", minimalJSON, "Authorization", "Bearer "+testToken+"x")
		want := "signature:k1 09:01:00, signature:k2 -, signature:k0 -, bearer:1 -"
		if got := used(r); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if err := r.flushUses(t.Context()); err != nil {
			t.Error(err)
		}
		clock.advance(time.Minute)
		get(other, "/v1/notifications")
		if err := other.flushUses(t.Context()); err != nil {
			t.Error(err)
		}
		clock.advance(-time.Minute)
		get(r, "/v1/notifications") // later here, though it was earlier
		if err := r.flushUses(t.Context()); err != nil {
			t.Error(err)
		}
		want = "signature:k1 09:01:00, signature:k2 -, signature:k0 -, bearer:1 09:02:00"
		if got := used(other); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if list, err := r.CredentialUse(t.Context(), "unknown.example"); err != nil || list != nil {
			t.Errorf("unknown route: %v %v", list, err)
		}
		// What cannot be written is not forgotten.
		clock.advance(time.Hour)
		get(r, "/v1/notifications")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := r.flushUses(t.Context()); err == nil {
			t.Error("written to a closed store")
		}
		if order, _ := r.uses.take(); len(order) != 1 {
			t.Errorf("left %v", order)
		}
	})
}
