package certs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
)

const (
	// challengeProtocol is what the authority alone offers in its handshakes,
	// RFC 8737.
	challengeProtocol = acmez.ACMETLS1Protocol
	// inMemory is how many certificates one process keeps at hand; others are
	// read from the store when they are asked for.
	inMemory = 10_000
	// cleanEvery is how often the store is looked through for certificates that
	// expired keepExpired ago.
	cleanEvery  = 24 * time.Hour
	keepExpired = 30 * 24 * time.Hour
)

// isChallenge tells whether a handshake is the authority's.
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == challengeProtocol
}

// issued are the certificates that the authority gives.
//
// Two configurations of certmagic share one cache. Handshakes find certificates
// by the one that may obtain them on demand; by itself it would also renew them
// only when somebody asks for the host, and then at every handshake while the
// authority is down. So it is told to leave them alone until they expire, and
// what the cache holds is renewed in the background by the other.
type issued struct {
	wanted   func(host string) bool
	log      *slog.Logger
	storage  *storage
	cache    *certmagic.Cache
	onDemand *certmagic.Config
	ahead    *certmagic.Config
	client   *certmagic.ACMEIssuer
	failures failures
	stopping sync.Once

	mu    sync.Mutex
	known map[string]bool // hosts that this process has had a certificate of
}

func newIssued(cfg ACME, wanted func(string) bool, log *slog.Logger) (*issued, error) {
	a := &issued{wanted: wanted, log: log, known: map[string]bool{}, failures: failures{log: log},
		storage: &storage{locks: locks{store: cfg.Store}, master: cfg.Master}}
	client := certmagic.ACMEIssuer{CA: cfg.Directory, Email: cfg.Email, Agreed: true, Logger: zapLogger(log),
		DisableHTTPChallenge: cfg.Redirect == nil}
	if cfg.CA != "" {
		client.TrustedRoots = x509.NewCertPool()
		if !client.TrustedRoots.AppendCertsFromPEM([]byte(cfg.CA)) {
			return nil, errors.New("acme: the authority's own certificates hold none in PEM")
		}
	}
	// Where certmagic opens no listeners of its own for challenges, since there
	// are these.
	client.ListenHost, client.AltTLSALPNPort = hostPort(cfg.Public)
	if host, port := hostPort(cfg.Redirect); port != 0 {
		client.ListenHost, client.AltHTTPPort = cmp.Or(client.ListenHost, host), port
	}
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return a.ahead, nil },
		Capacity:           inMemory,
		RenewCheckInterval: cfg.RenewalCheck,
		Logger:             zapLogger(log),
	})
	common := certmagic.Config{Storage: a.storage, Logger: zapLogger(log), OnEvent: a.event, DisableStorageCheck: true}
	ahead := common
	ahead.RenewalWindowRatio = cfg.renewalWindow
	a.ahead = certmagic.New(a.cache, ahead)
	common.OnDemand = &certmagic.OnDemandConfig{DecisionFunc: a.decide}
	common.DisableARI, common.RenewalWindowRatio = true, 1e-9
	a.onDemand = certmagic.New(a.cache, common)
	a.client = certmagic.NewACMEIssuer(a.ahead, client)
	a.ahead.Issuers = []certmagic.Issuer{once{a.client}}
	a.onDemand.Issuers = a.ahead.Issuers
	return a, nil
}

// hostPort gives where a listener is; the host is empty for one on every
// address of the machine.
func hostPort(a net.Addr) (string, int) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return "", 0
	}
	if tcp.IP.IsUnspecified() || tcp.IP == nil {
		return "", tcp.Port
	}
	return tcp.IP.String(), tcp.Port
}

// run renews and cleans up until ctx ends. The cache renews by itself since it was
// made.
func (a *issued) run(ctx context.Context) error {
	defer a.stop()
	tick := time.NewTicker(cleanEvery)
	defer tick.Stop()
	for {
		a.clean(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// stop ends what newIssued began.
func (a *issued) stop() {
	a.stopping.Do(func() {
		a.cache.Stop()
		a.storage.release()
	})
}

// clean removes from the store what expired long ago, such as the certificates of
// routes that are gone. Replicas do it once between them.
func (a *issued) clean(ctx context.Context) {
	err := certmagic.CleanStorage(ctx, a.storage, certmagic.CleanStorageOptions{Logger: zapLogger(a.log), Interval: cleanEvery - time.Hour,
		OCSPStaples: true, ExpiredCerts: true, ExpiredCertGracePeriod: keepExpired})
	if err != nil && ctx.Err() == nil {
		a.log.Warn("expired certificates cannot be removed from the store", "error", err)
	}
}

// get finds or obtains the certificate of a host of ours.
func (a *issued) get(hello *tls.ClientHelloInfo, host string) (*tls.Certificate, error) {
	if err := a.failures.current(host, time.Now()); err != nil && !isChallenge(hello) {
		return a.without(hello.Context(), host, err)
	}
	cert, err := a.onDemand.GetCertificate(hello)
	if err != nil && !isChallenge(hello) {
		a.failures.unavailable(host, err, time.Now())
	}
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", host, err)
	}
	return cert, nil
}

// without finds the certificate of a host that the authority gave none for a
// moment ago: this process has one still, or another replica was luckier.
func (a *issued) without(ctx context.Context, host string, why error) (*tls.Certificate, error) {
	if cert, ok := a.inMemory(host); ok && time.Now().Before(cert.Leaf.NotAfter) {
		return &cert.Certificate, nil
	}
	cert, err := a.onDemand.CacheManagedCertificate(ctx, host)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, why
	case err != nil:
		return nil, fmt.Errorf("certificate of %s: %w", host, err)
	case time.Now().After(cert.Leaf.NotAfter):
		return nil, why
	}
	return &cert.Certificate, nil
}

// inMemory finds a host's certificate in this process: of several the one that
// lives longest.
func (a *issued) inMemory(host string) (best certmagic.Certificate, ok bool) {
	found := a.cache.AllMatchingCertificates(host)
	if len(found) == 0 {
		return best, false
	}
	return slices.MaxFunc(found, func(a, b certmagic.Certificate) int { return a.Leaf.NotAfter.Compare(b.Leaf.NotAfter) }), true
}

// decide refuses to look for certificates of hosts that are not ours.
func (a *issued) decide(_ context.Context, host string) error {
	if !a.wanted(host) {
		return errNotOurs
	}
	return nil
}

var errNotOurs = errors.New("no route has this host, or its certificate comes from a file")

// event is told by certmagic what it does. An error before it asks the authority
// keeps it from asking: for a host that is not ours any more, and for one whose
// last failure is fresh.
func (a *issued) event(_ context.Context, name string, data map[string]any) error {
	host, _ := data["identifier"].(string)
	switch name {
	case "cert_obtaining":
		if !a.wanted(host) {
			return certmagic.ErrNoRetry{Err: errNotOurs}
		}
		if err := a.failures.current(host, time.Now()); err != nil {
			return certmagic.ErrNoRetry{Err: err}
		}
	case "cert_obtained":
		a.failures.clear(host)
		a.log.Info("certificate obtained", "host", host, "renewal", data["renewal"])
	case "cert_failed":
		err, _ := data["error"].(error)
		a.failures.add(host, err, time.Now())
	case "cached_managed_cert":
		names, _ := data["sans"].([]string)
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, host := range names {
			a.known[host] = true
		}
	}
	return nil
}

// once asks the authority one time. By itself certmagic would try again for
// minutes, with a browser waiting; when to ask next is for failures to say.
type once struct{ *certmagic.ACMEIssuer }

// Issue asks for a certificate.
func (o once) Issue(ctx context.Context, request *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	cert, err := o.ACMEIssuer.Issue(ctx, request)
	if err != nil {
		return nil, certmagic.ErrNoRetry{Err: err}
	}
	return cert, nil
}
