package gateway_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
	"github.com/cocoom/cocoom-gateway/policy"
)

// many is the number of sessions, and of revocations, that one process serves.
const many = 100_000

// BenchmarkRequest compares, in one run, a request through a bare ReverseProxy
// with the same through the whole gateway: with one session and one revocation,
// and with as many as one process serves.
func BenchmarkRequest(b *testing.B) {
	stub := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte("ok")) })
	w, app := withApp(b, stub), httptest.NewServer(stub)
	defer app.Close()
	target, _ := url.Parse(app.URL)
	bare := &httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(target) }}
	cookies := make([]*http.Cookie, many)
	for i := range cookies {
		cookies[i] = w.gateway.Cookie(host, policy.Identity{Team: teams[0], User: fmt.Sprintf("U%d", i), Email: "somebody@agrafmania.fr", Name: "Somebody"})
	}
	serve := func(b *testing.B, h http.Handler, cookie *http.Cookie) {
		r := httptest.NewRequest("GET", "/dossiers/12?onglet=notes", nil)
		r.Host = host
		r.AddCookie(cookie)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != 200 {
			b.Fatal(rec.Code)
		}
	}
	for _, row := range []struct {
		name     string
		handler  http.Handler
		sessions int
	}{{"bare proxy", bare, 1}, {"gateway", w.gateway, 1}, {"gateway with many sessions", w.gateway, many}} {
		b.Run(row.name, func(b *testing.B) {
			if row.sessions > 1 {
				revokeMany(b, w.store, w.clock().UnixMilli(), many)
				if err := w.gateway.RefreshRevocations(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			for _, cookie := range cookies[:row.sessions] { // everybody has opened a page before
				serve(b, row.handler, cookie)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				serve(b, row.handler, cookies[i%row.sessions])
			}
		})
	}
}

// BenchmarkJudge is what a request costs before it is carried: host, path,
// cookie, session and decision, by the number of sessions in use and of
// revocations in force.
func BenchmarkJudge(b *testing.B) {
	for _, size := range []struct{ sessions, revocations int }{{1, 1}, {1, many}, {many, 1}, {many, many}} {
		b.Run(fmt.Sprintf("sessions=%d/revocations=%d", size.sessions, size.revocations), func(b *testing.B) {
			r := crowded(b, size.revocations)
			// As many requests in both cases, so that only the sessions differ:
			// what the processor's caches do not hold costs more than all else.
			requests := make([]*http.Request, many)
			for i := range requests {
				if i < size.sessions {
					requests[i] = r.request(fmt.Sprintf("U%d", i))
				} else {
					requests[i] = requests[i%size.sessions].Clone(context.Background())
					requests[i].Header.Set("Cookie", strings.Clone(requests[i].Header.Get("Cookie")))
				}
			}
			for _, req := range requests { // everybody has opened a page before
				if r.Judge(req) != policy.Allowed {
					b.Fatal("not let in")
				}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Judge(requests[i%len(requests)])
			}
		})
	}
}

// BenchmarkColdSession is what the first request with a cookie costs more.
func BenchmarkColdSession(b *testing.B) {
	r := crowded(b, 1)
	requests := make([]*http.Request, 2*many) // more than are kept open
	for i := range requests {
		requests[i] = r.request(fmt.Sprintf("U%d", i))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Judge(requests[i%len(requests)])
	}
}

// BenchmarkPoll is what a second costs in which one session was revoked, by the
// number of revocations in force.
func BenchmarkPoll(b *testing.B) {
	for _, n := range []int{1, many} {
		b.Run(fmt.Sprintf("revocations=%d", n), func(b *testing.B) {
			r := crowded(b, n)
			seq := int64(many)
			for b.Loop() {
				b.StopTimer()
				seq++
				fill(b, r.store, fmt.Sprintf("a.localhost/T1/V%d", seq), r.now.UnixMilli(), seq)
				b.StartTimer()
				if err := r.RefreshRevocations(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// request is one of a person's, with a session that has no row.
func (r *replica) request(user string) *http.Request {
	req := httptest.NewRequest("GET", "http://a.localhost/dossiers/12?onglet=notes", nil)
	req.AddCookie(r.Cookie("a.localhost", policy.Identity{Team: "T1", User: user, Email: user + "@example.com", Name: "Somebody"}))
	return req
}

// crowded is a replica with revocations in force, of sessions and of people.
func crowded(t testing.TB, revocations int) *replica {
	t.Helper()
	st := storetest.Open(t, filepath.Join(t.TempDir(), "state"))
	r := newReplica(t, st, sealer(t))
	revokeMany(t, st, r.now.UnixMilli(), revocations)
	if err := r.RefreshRevocations(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r
}

// revokeMany puts n revocations into force, half of sessions and half of people;
// a second time it changes nothing.
func revokeMany(t testing.TB, st *store.Store, now int64, n int) {
	t.Helper()
	const atOnce = 5000 // or one write would take too long
	for from := 0; from < n; from += atOnce {
		err := st.Write(context.Background(), func(ctx context.Context, tx *sql.Tx) error {
			insert, err := tx.PrepareContext(ctx, `INSERT INTO revocation (kind, value, not_before, expires_at, seq) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`)
			if err != nil {
				return err
			}
			defer insert.Close()
			for i := from; i < min(n, from+atOnce); i++ {
				kind, value := "session", fmt.Sprintf("%064x", i)
				if i%2 == 1 {
					kind, value = "user", fmt.Sprintf("a.localhost/T1/W%d", i)
				}
				if _, err := insert.ExecContext(ctx, kind, value, now, now+1e9, i+1); err != nil {
					return err
				}
			}
			_, err = tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('revocations', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, fmt.Sprint(n))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestJudgingAllocatesNothing holds what BenchmarkJudge shows.
func TestJudgingAllocatesNothing(t *testing.T) {
	r := crowded(t, many/20)
	req := r.request("U1")
	if r.Judge(req) != policy.Allowed {
		t.Fatal("not let in")
	}
	if n := testing.AllocsPerRun(1000, func() { r.Judge(req) }); n != 0 {
		t.Errorf("%v allocations a request, want none", n)
	}
}
