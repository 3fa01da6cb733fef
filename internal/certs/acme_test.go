package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/certs/certstest"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

const (
	agrafmania = "agrafmania.cocoom.com"
	port       = "editionsduport.cocoom.com"
)

// replica is a gateway's two listeners.
type replica struct {
	*Certificates
	public, plain net.Listener
	log           *record
}

// record keeps what is logged, for tests that read it.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) count(word string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.text.String(), word)
}

func (r *record) logger() *slog.Logger { return slog.New(slog.NewTextHandler(r, nil)) }

// hosts is what Config.Serves knows.
func hosts(names ...string) func(string) bool {
	return func(host string) bool {
		for _, name := range names {
			if host == name {
				return true
			}
		}
		return false
	}
}

// sqlite opens a store where it does not matter which.
func sqlite(t *testing.T) *store.Store {
	t.Helper()
	return storetest.Open(t, filepath.Join(t.TempDir(), "state"))
}

// newReplica binds the listeners; start serves on them.
func newReplica(t *testing.T) *replica {
	t.Helper()
	return &replica{public: bind(t), plain: bind(t), log: &record{}}
}

func (r *replica) authority(t *testing.T) *certstest.Authority {
	t.Helper()
	return certstest.New(t, portOf(r.plain), portOf(r.public))
}

func bind(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln
}

func portOf(ln net.Listener) int { return ln.Addr().(*net.TCPAddr).Port }

// start serves until stop, or the end of the test.
func (r *replica) start(t *testing.T, cfg Config) (stop func()) {
	t.Helper()
	cfg.Log = r.log.logger()
	var err error
	if r.Certificates, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	quiet := slog.NewLogLogger(slog.DiscardHandler, 0)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page of "+r.Host) })
	public := &http.Server{Handler: r.Guard(page), TLSConfig: r.TLS(), ErrorLog: quiet}
	plain := &http.Server{Handler: r.Redirect(func(host string) string { return "https://" + host }), ErrorLog: quiet}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = public.ServeTLS(r.public, "", "") }) // ends with Close
	all.Go(func() { _ = plain.Serve(r.plain) })
	all.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() {
		public.Close()
		plain.Close()
		cancel()
		all.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// acme gives the settings of a replica that asks an authority.
func (r *replica) acme(t *testing.T, a *certstest.Authority, db *store.Store) *ACME {
	t.Helper()
	return &ACME{Email: "ops@cocoom.com", Directory: a.Directory, CA: a.CA, Public: r.public.Addr(), Redirect: r.plain.Addr(),
		Store: db, Master: testMaster(t), RenewalCheck: 50 * time.Millisecond}
}

// TestChallenges: each of the two is enough for a certificate, which comes with
// the first handshake and stays.
func TestChallenges(t *testing.T) {
	for _, row := range []struct {
		name    string
		prepare func(*replica)
	}{
		{"TLS-ALPN-01", func(r *replica) { r.Certificates.acme.client.DisableHTTPChallenge = true }},
		{"HTTP-01", func(r *replica) { r.Certificates.acme.client.DisableTLSALPNChallenge = true }},
	} {
		t.Run(row.name, func(t *testing.T) {
			db := sqlite(t)
			r := newReplica(t)
			a := r.authority(t)
			r.start(t, Config{Serves: hosts(agrafmania), ACME: r.acme(t, a, db)})
			row.prepare(r)
			if n := a.Requests.Load(); n != 0 {
				t.Errorf("%d requests before anybody asked", n)
			}
			first, err := a.Shake(r.public.Addr(), agrafmania)
			must(t, err)
			again, err := a.Shake(r.public.Addr(), strings.ToUpper(agrafmania))
			must(t, err)
			if !first.Equal(again) || a.Orders.Load() != 1 {
				t.Errorf("%d orders", a.Orders.Load())
			}
			if got, ok := r.Of(agrafmania); !ok || got.File || got.Expiring || !got.NotAfter.Equal(first.NotAfter) {
				t.Errorf("says %+v, %t", got, ok)
			}
		})
	}
}

// TestNobodyElse: no name but the routes' reaches the authority, and the client
// is told that the name is the reason.
func TestNobodyElse(t *testing.T) {
	db := sqlite(t)
	r := newReplica(t)
	a := r.authority(t)
	r.start(t, Config{Serves: hosts(agrafmania, "localhost", "demo.localhost", "127.0.0.1"), ACME: r.acme(t, a, db)})
	for _, host := range []string{"evil.example.com", "x." + agrafmania, "cocoom.com", "localhost", "demo.localhost", "127.0.0.1", ""} {
		_, err := a.Shake(r.public.Addr(), host)
		if host == "" { // crypto/tls demands a name of its own side
			_, err = a.Shake(r.public.Addr(), "127.0.0.1")
		}
		if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%q: got %v", host, err)
		}
	}
	if n := a.Requests.Load(); n != 0 {
		t.Errorf("the authority had %d requests", n)
	}
}

// TestRestart: what one process was given, the next has, as has a replica on the
// same store.
func TestRestart(t *testing.T) {
	storetest.InTurn(t, func(t *testing.T, db *store.Store) {
		one := newReplica(t)
		a := one.authority(t)
		stop := one.start(t, Config{Serves: hosts(agrafmania), ACME: one.acme(t, a, db)})
		first, err := a.Shake(one.public.Addr(), agrafmania)
		must(t, err)
		stop()
		a.Down.Store(true)
		asked := a.Requests.Load()
		two := newReplica(t)
		two.start(t, Config{Serves: hosts(agrafmania), ACME: two.acme(t, a, db)})
		again, err := a.Shake(two.public.Addr(), agrafmania)
		must(t, err)
		if !first.Equal(again) || a.Requests.Load() != asked {
			t.Errorf("asked again: %d requests", a.Requests.Load()-asked)
		}
	})
}

// TestManyAtOnce: twenty first visitors are one order.
func TestManyAtOnce(t *testing.T) {
	db := sqlite(t)
	r := newReplica(t)
	a := r.authority(t)
	r.start(t, Config{Serves: hosts(agrafmania), ACME: r.acme(t, a, db)})
	got := make([]*x509.Certificate, 20)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			var err error
			if got[i], err = a.Shake(r.public.Addr(), agrafmania); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, cert := range got {
		if cert == nil || !cert.Equal(got[0]) {
			t.Fatal("they got different certificates")
		}
	}
	if n := a.Orders.Load(); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// TestRenewal: what is due is renewed without a visitor; what no route has any
// more is not.
func TestRenewal(t *testing.T) {
	db := sqlite(t)
	one := newReplica(t)
	a := one.authority(t)
	stop := one.start(t, Config{Serves: hosts(agrafmania, port), ACME: one.acme(t, a, db)})
	first, err := a.Shake(one.public.Addr(), agrafmania)
	must(t, err)
	left, err := a.Shake(one.public.Addr(), port)
	must(t, err)
	stop()

	two := &replica{public: again(t, one.public), plain: again(t, one.plain), log: one.log}
	cfg := two.acme(t, a, db)
	cfg.renewalWindow = 0.99999999 // due at once
	two.start(t, Config{Serves: hosts(agrafmania), ACME: cfg})
	_, err = two.Certificates.acme.onDemand.CacheManagedCertificate(t.Context(), port) // as if it had been asked for before
	must(t, err)
	_, err = a.Shake(two.public.Addr(), agrafmania)
	must(t, err)
	waitFor(t, func() bool {
		second, err := a.Shake(two.public.Addr(), agrafmania)
		return err == nil && !second.Equal(first)
	})
	if err := two.Certificates.acme.ahead.RenewCertSync(t.Context(), port, true); !errors.Is(err, errNotOurs) {
		t.Errorf("renewing for a host without a route: %v", err)
	}
	if cert, ok := two.Certificates.acme.inMemory(port); !ok || !cert.Leaf.Equal(left) {
		t.Error("the certificate of a host without a route was renewed")
	}
	if n := one.log.count("renewal=true"); n == 0 {
		t.Error("the renewal was not logged")
	}
}

// TestExpiredAreRemoved from the store after a while, and nothing else is.
func TestExpiredAreRemoved(t *testing.T) {
	db := sqlite(t)
	r := newReplica(t)
	a := r.authority(t)
	s := newStorage(t, db)
	for host, life := range map[string]time.Duration{"gone.cocoom.com": -keepExpired - time.Hour, "late.cocoom.com": -time.Minute, "good.cocoom.com": time.Hour} {
		cert, key := newPair(t, life, host)
		must(t, s.Store(t.Context(), "certificates/ca/"+host+"/"+host+".crt", []byte(cert)))
		must(t, s.Store(t.Context(), "certificates/ca/"+host+"/"+host+".key", []byte(key)))
	}
	must(t, s.Store(t.Context(), "acme/ca/users/ops/ops.key", []byte("account")))
	r.start(t, Config{Serves: hosts(agrafmania), ACME: r.acme(t, a, db)})
	waitFor(t, func() bool { return s.Exists(t.Context(), "last_clean.json") })
	for name, want := range map[string]bool{
		"certificates/ca/gone.cocoom.com": false, "certificates/ca/late.cocoom.com/late.cocoom.com.key": true,
		"certificates/ca/good.cocoom.com/good.cocoom.com.crt": true, "acme/ca/users/ops/ops.key": true,
	} {
		if s.Exists(t.Context(), name) != want {
			t.Errorf("%s is there: %t", name, !want)
		}
	}
}

// again binds the address of a closed listener, where the authority looks.
func again(t *testing.T, closed net.Listener) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", closed.Addr().String())
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln
}

// TestAuthorityDown: certificates go on, others are refused without asking again
// and again, it is said once, and when the time has come it is tried again.
func TestAuthorityDown(t *testing.T) {
	db := sqlite(t)
	r := newReplica(t)
	a := r.authority(t)
	r.start(t, Config{Serves: hosts(agrafmania, port), ACME: r.acme(t, a, db)})
	_, err := a.Shake(r.public.Addr(), agrafmania)
	must(t, err)
	a.Down.Store(true)
	for range 3 {
		if _, err := a.Shake(r.public.Addr(), port); err == nil {
			t.Fatal("there is a certificate although the authority is down")
		}
	}
	asked := a.Requests.Load()
	if _, err := a.Shake(r.public.Addr(), port); err == nil || a.Requests.Load() != asked {
		t.Errorf("asked again at once: %v", err)
	}
	_, err = a.Shake(r.public.Addr(), agrafmania)
	must(t, err)
	if n := r.log.count("certificate cannot be obtained"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	status := r.Status()
	if len(status.Failures) != 1 || status.Failures[0].Host != port || status.Failures[0].Err == nil || status.Issued != 1 || status.First == nil {
		t.Errorf("status: %+v", status)
	}

	a.Down.Store(false)
	r.Certificates.acme.failures.mu.Lock()
	failure := r.Certificates.acme.failures.of[port]
	failure.Next = time.Now()
	r.Certificates.acme.failures.of[port] = failure
	r.Certificates.acme.failures.mu.Unlock()
	_, err = a.Shake(r.public.Addr(), port)
	must(t, err)
	if status := r.Status(); len(status.Failures) != 0 || status.Issued != 2 {
		t.Errorf("status after success: %+v", status)
	}
}

// TestFailures: how long the authority is left alone.
func TestFailures(t *testing.T) {
	f := failures{log: slog.New(slog.DiscardHandler)}
	now := time.Unix(1e9, 0)
	hour := 0
	for begin := now; now.Before(begin.Add(time.Hour)); now = f.of["a"].Next {
		if f.current("a", now) != nil {
			t.Fatal("not asked when it is time")
		}
		f.add("a", errors.New("down"), now)
		if f.current("a", now.Add(59*time.Second)) == nil {
			t.Fatal("asked again within a minute")
		}
		hour++
	}
	if hour > 5 {
		t.Errorf("%d failures in the first hour, of which Let's Encrypt takes 5", hour)
	}
	if list := f.list(hosts("b")); len(list) != 0 || len(f.of) != 0 {
		t.Errorf("a host without a route is still there: %v", list)
	}
}

// waitFor waits until the maintenance, which runs every few milliseconds, has
// done something.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}
