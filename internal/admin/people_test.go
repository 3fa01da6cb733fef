package admin_test

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/proxy"
)

func TestAcceptEmail(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	st, err := store.Open(t.Context(), t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	identifier, err := proxy.NewIdentifier(proxy.Config{Origin: "https://a.example.com", Host: "a.example.com", Keys: proxy.NewKeys()})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(t.Context(), gateway.Config{Prefix: "/.gateway", Store: st, Log: log, Sealer: new(gateway.Sealer),
		Routes: []gateway.Route{{Host: "a.example.com", Workspace: "T0A", Login: &gateway.Login{PinEmail: true}, Identifier: identifier}}})
	if err != nil {
		t.Fatal(err)
	}
	pages := admin.New(admin.Config{Gateway: g, Log: log})
	for name, row := range map[string]struct {
		body, header string
		status       int
	}{
		"nobody of that name": {`{"host":"a.example.com","person":"U0PAUL","by":"ops"}`, "", 404},
		"no such route":       {`{"host":"b.example.com","person":"U0PAUL","by":"ops"}`, "", 404},
		"a foreign page":      {`{"host":"a.example.com","person":"U0PAUL","by":"ops"}`, "Origin", 403},
		"a browser":           {`{"host":"a.example.com","person":"U0PAUL","by":"ops"}`, "Sec-Fetch-Site", 403},
		"by nobody":           {`{"host":"a.example.com","person":"U0PAUL"}`, "", 400},
		"unknown field":       {`{"host":"a.example.com","person":"U0PAUL","by":"ops","x":1}`, "", 400},
		"no JSON":             {`host=a`, "", 400},
		"too large":           {`{"host":"` + strings.Repeat("a", 5000) + `"}`, "", 400},
	} {
		r := httptest.NewRequest("POST", "/people/accept-email", strings.NewReader(row.body))
		if row.header != "" {
			r.Header.Set(row.header, "https://evil.example")
		}
		rec := httptest.NewRecorder()
		if pages.ServeHTTP(rec, r); rec.Code != row.status {
			t.Errorf("%s: answered %d, want %d", name, rec.Code, row.status)
		}
	}
}
