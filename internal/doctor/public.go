package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
)

const (
	maxAddresses = 4 // of one host that are tried
	maxProbe     = 1 << 10
	renewSoon    = 14 * 24 * time.Hour // ACME renews before; who renews by hand wants to know
)

// public looks at how browsers reach a route: name, certificate, and whether it
// is this gateway that answers.
func (d *Doctor) public(ctx context.Context, rt *configs.Route, n *notes) {
	origin, err := url.Parse(d.cfg.Config.Origin(rt.Host))
	if err != nil {
		n.wrong("dns", "give the route a host name", "the host is no name: %s", err)
		return
	}
	one, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	addresses, err := d.cfg.LookupHost(one, origin.Hostname())
	if err != nil || len(addresses) == 0 {
		n.wrong("dns", "add an A, AAAA or CNAME record for "+rt.Host+" that leads to the gateway, or to the proxy before it", "%s does not resolve: %s", rt.Host, lookupFailure(err))
		n.unknown("public", "is not tried: nobody knows where it is")
		return
	}
	n.ok("dns", "resolves to %s", strings.Join(addresses[:min(len(addresses), maxAddresses)], ", "))
	reached := make([]reached, 0, maxAddresses)
	for _, address := range addresses[:min(len(addresses), maxAddresses)] {
		reached = append(reached, d.reach(ctx, rt.Host, origin, address))
	}
	if origin.Scheme == "https" {
		d.certificate(reached, n)
	} else {
		n.ok("tls", "plain http, for browsers on this machine alone")
	}
	d.arrival(rt, reached, n)
}

func lookupFailure(err error) string {
	var dns *net.DNSError
	switch {
	case err == nil:
		return "no addresses"
	case errors.As(err, &dns):
		return dns.Err
	}
	return unreachable(err)
}

// reached is what happened at one of a host's addresses.
type reached struct {
	address string
	err     error             // nobody answered
	tls     error             // the certificate is not good for the host
	cert    *x509.Certificate // the first of the chain; nil: none
	status  int
	here    bool   // this gateway answered
	said    bool   // some gateway did
	note    string // gateway.ViaStranger
}

// reach asks a probe of one address. Where the certificate does not hold, the
// question is asked all the same: it tells nobody anything.
func (d *Doctor) reach(ctx context.Context, host string, origin *url.URL, address string) reached {
	at := d.probe(ctx, host, origin, address, false)
	if at.tls == nil {
		return at
	}
	again := d.probe(ctx, host, origin, address, true)
	again.tls = at.tls
	return again
}

func (d *Doctor) probe(ctx context.Context, host string, origin *url.URL, address string, blind bool) (at reached) {
	at.address = address
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	path, challenge := gateway.ProbePath(d.cfg.Config.ReservedPrefix)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, origin.String()+path, nil)
	if err != nil {
		at.err = err
		return at
	}
	req.Header.Set("User-Agent", "cocoom-gateway-doctor")
	var dialer net.Dialer
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, given string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(given)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, net.JoinHostPort(address, port))
		},
		// #nosec G402 -- only to say what is wrong with a certificate; see reach
		TLSClientConfig:   &tls.Config{RootCAs: d.cfg.Roots, MinVersion: tls.VersionTLS12, Time: d.cfg.Now, InsecureSkipVerify: blind}, // see reach
		DisableKeepAlives: true,
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		var bad *tls.CertificateVerificationError
		if errors.As(err, &bad) {
			at.tls = bad.Err
		}
		at.err = err
		return at
	}
	defer resp.Body.Close()
	if resp.TLS != nil {
		at.cert = resp.TLS.PeerCertificates[0]
	}
	at.status = resp.StatusCode
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxProbe)) // what is cut short proves nothing
	proof, note, _ := strings.Cut(strings.TrimSpace(string(body)), " ")
	at.said = resp.StatusCode == http.StatusOK && len(proof) == 64 && strings.Trim(proof, "0123456789abcdef") == ""
	at.here = at.said && d.cfg.Answered != nil && d.cfg.Answered(host, challenge, proof)
	if at.here {
		at.note = note
	}
	return at
}

// certificate judges the certificates of all addresses together.
func (d *Doctor) certificate(list []reached, n *notes) {
	const renew = "renew it where TLS ends: in the front proxy, or see tls: in the configuration"
	soonest := time.Time{}
	for _, at := range list {
		switch {
		case at.tls != nil:
			n.wrong("tls", certificateRemedy(at.tls, renew), "the certificate at %s is not good for this host: %s", at.address, at.tls)
			return
		case at.cert != nil && (soonest.IsZero() || at.cert.NotAfter.Before(soonest)):
			soonest = at.cert.NotAfter
		}
	}
	left := soonest.Sub(d.cfg.Now())
	switch {
	case soonest.IsZero():
		n.unknown("tls", "no certificate was seen: nobody answers, or not by TLS")
	case left < renewSoon:
		n.warn("tls", renew, "the certificate ends in %s", days(left))
	default:
		n.ok("tls", "the certificate is good for another %s", days(left))
	}
}

func certificateRemedy(err error, renew string) string {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return renew
	case errors.As(err, &unknown):
		return "use a certificate of an authority that browsers know, with its whole chain"
	}
	return "use a certificate that names this host, where TLS ends"
}

func days(d time.Duration) string {
	return count(int(d.Hours()/24), "day", "days")
}

// arrival says whether requests arrive here.
func (d *Doctor) arrival(rt *configs.Route, list []reached, n *notes) {
	here, bad := 0, reached{}
	note := ""
	for _, at := range list {
		if at.here {
			here++
			note += at.note
		} else if bad.address == "" {
			bad = at
		}
	}
	switch {
	case here == len(list) && strings.Contains(note, gateway.ViaStranger):
		n.wrong("public", "add the proxy's address to trusted_proxies, or everybody seems to come from it", "requests arrive here, but through a proxy that is not trusted")
	case here == len(list):
		n.ok("public", "requests arrive here")
	case here > 0 && bad.err != nil:
		n.warn("public", "remove the address from the name's records if browsers cannot reach it either", "requests arrive here, but %s does not answer: %s", bad.address, unreachable(bad.err))
	default:
		d.elsewhere(rt, bad, n)
	}
}

// elsewhere says where requests arrive instead.
func (d *Doctor) elsewhere(rt *configs.Route, at reached, n *notes) {
	prefix := d.cfg.Config.ReservedPrefix
	switch {
	case at.err != nil && isTimeout(at.err):
		n.warn("public", "open the address in a browser outside: some networks do not let a machine reach its own public address; else look at firewall and port", "%s cannot be reached from here: %s", at.address, unreachable(at.err))
	case at.err != nil:
		n.wrong("public", "start what listens there, the gateway or the proxy before it; look at firewall and port", "%s cannot be reached from here: %s", at.address, unreachable(at.err))
	case at.said && d.cfg.Answered == nil:
		n.unknown("public", "a gateway answers; without the key ring nobody can tell whether it is this one")
	case at.said:
		n.wrong("public", "point the name at this gateway, or give both the same state", "another gateway answers at %s, with another store", at.address)
	case at.status == http.StatusMisdirectedRequest:
		n.wrong("public", "let the proxy hand on the Host header as it came (nginx: proxy_set_header Host $host), or add the route to the gateway that answers", "what answers at %s does not know the host", at.address)
	case !d.cfg.Running && at.status >= 500:
		n.unknown("public", "%s answers %d: no gateway runs", at.address, at.status)
	default:
		n.wrong("public", "let the proxy hand "+prefix+"/ of "+rt.Host+" on to the gateway", "something else answers at %s, with %d", at.address, at.status)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}
