package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

const (
	dialTimeout = 10 * time.Second
	// idleTimeout is less than the 5 s after which Apache, as it comes, closes
	// a kept connection: a POST sent on one just closed cannot be repeated, and
	// would be a 502. It also lets the connections of quiet routes go.
	idleTimeout = 4 * time.Second
	// maxIdle is for one route. There may be 10,000, but few are busy at once.
	maxIdle = 64
	// maxAnswerHeader bounds what an app may send before its body.
	maxAnswerHeader = 256 << 10
)

// NewTransport returns the transport to the app of one route. It dials directly,
// whatever the environment says of proxies, and hands on encodings as they are.
func NewTransport(u Upstream) (*http.Transport, error) {
	timeout := u.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	t := &http.Transport{
		DialContext:            dial(&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}),
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  timeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		MaxResponseHeaderBytes: maxAnswerHeader,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}
	if u.TLS != (UpstreamTLS{}) {
		t.TLSClientConfig = &tls.Config{ServerName: u.TLS.ServerName, MinVersion: tls.VersionTLS12}
		if u.TLS.CA != "" {
			roots, err := readCA(u.TLS.CA)
			if err != nil {
				return nil, err
			}
			t.TLSClientConfig.RootCAs = roots
		}
	}
	return t, nil
}

func readCA(ca secret.String) (*x509.CertPool, error) {
	pem := []byte(ca.Reveal())
	if path, ok := strings.CutPrefix(ca.Reveal(), "file:"); ok {
		var err error
		if pem, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("read upstream CA: %w", err)
		}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("read upstream CA: no certificate in it")
	}
	return pool, nil
}
