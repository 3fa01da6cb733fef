package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
)

// StatusClientGone is nginx's status for a client that did not wait. Nobody
// reads it but the access log.
const StatusClientGone = 499

// errNoKey says that no assertion can be signed. Such a request must not be
// sent: the app would take it for one of nobody, or trust headers alone.
var errNoKey = errors.New("no signing key is active")

// fail writes the error page for a request that got no answer, and logs why
// unless it was the client's doing.
func (x *exchange) fail(err error) {
	x.back()
	status, cause := failure(x.request.Context(), err, x.body.err())
	if status >= 500 {
		x.proxy.log.LogAttrs(x.request.Context(), slog.LevelWarn, "request to the app failed",
			slog.String("route", x.proxy.host), slog.Int("status", status),
			slog.String("cause", cause), slog.String("request_id", x.in.RequestID))
	}
	if x.hijacked {
		return // the connection is no longer HTTP
	}
	if x.upgrade {
		x.ResponseWriter.Header().Set("Connection", "close")
	}
	x.proxy.errorPage(x.ResponseWriter, x.request, status)
}

// failure maps what went wrong to the status that the client gets, and to one
// constant word for the log: an error's own text can quote the app's bytes.
// fromClient is how reading the request's body failed, if it did; what the app
// side makes of that is not looked at.
func failure(ctx context.Context, err, fromClient error) (status int, cause string) {
	var (
		tooLarge *http.MaxBytesError
		timeout  interface{ Timeout() bool }
		badCert  *tls.CertificateVerificationError
		dns      *net.DNSError
		op       *net.OpError
		login    *loginFailure
	)
	switch {
	case errors.As(fromClient, &tooLarge), errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, "body_too_large"
	case errors.Is(fromClient, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout, "body_silent"
	case errors.Is(ctx.Err(), context.Canceled), errors.Is(fromClient, io.ErrUnexpectedEOF), errors.As(fromClient, &op):
		return StatusClientGone, "client_gone"
	case fromClient != nil: // and the client is still there: bad chunks
		return http.StatusBadRequest, "body_malformed"
	case errors.As(err, &login):
		return login.status, login.reason
	case errors.Is(err, errNoKey):
		return http.StatusInternalServerError, "no_signing_key"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "timeout"
	case errors.As(err, &badCert):
		return http.StatusBadGateway, "certificate"
	case errors.As(err, &dns):
		return http.StatusBadGateway, "name_not_found"
	case errors.Is(err, syscall.ECONNREFUSED):
		return http.StatusBadGateway, "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return http.StatusBadGateway, "closed"
	case errors.As(err, &op) && op.Op == "dial":
		return http.StatusBadGateway, "unreachable"
	}
	return http.StatusBadGateway, "invalid_answer"
}
