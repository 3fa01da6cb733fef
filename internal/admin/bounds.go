package admin

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// bodyTime is how long a request's body may take to come.
	bodyTime = 10 * time.Second
	// readerTime is how long a client may take nothing of an answer.
	readerTime = time.Minute
	// writeChunk is how much it has that time for, in bytes.
	writeChunk = 64 << 10
)

// bounded keeps a client from holding what the listener has by being slow: h sees
// requests whose body has come, and its answers break off when nobody reads them.
// Texts that no store keeps are refused here, for PostgreSQL fails on them.
func bounded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &patientWriter{w, http.NewResponseController(w)}
		out.wait()
		defer out.wait() // for what the server writes after h
		body, err := wholeBody(out.control, r)
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			answer(out, http.StatusBadRequest, Failure{"the body is too long"})
		case errors.Is(err, os.ErrDeadlineExceeded):
			out.Header().Set("Connection", "close")
			answer(out, http.StatusRequestTimeout, Failure{"the body did not come"})
		case err != nil:
			answer(out, http.StatusBadRequest, Failure{"the body cannot be read"})
		case !isText(r, body):
			answer(out, http.StatusBadRequest, Failure{"this has signs that no text has"})
		default:
			r.Body = io.NopCloser(bytes.NewReader(body))
			h.ServeHTTP(out, r)
		}
	})
}

// wholeBody reads a request's body. After one that is slow the deadline stays, so
// that the server does not wait for the rest of it either.
func wholeBody(control *http.ResponseController, r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // a test's recorder has none
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err == nil {
		_ = control.SetReadDeadline(time.Time{}) // it would end the request's context
	}
	return body, err
}

// isText reports whether a request has neither NUL nor what is not UTF-8 in its
// address, or, spelt out, in its form or JSON.
func isText(r *http.Request, body []byte) bool {
	if !storable(r.URL.Path) || bytes.Contains(body, []byte(`\u0000`)) {
		return false
	}
	forms := []string{r.URL.RawQuery}
	if !isJSON(r) {
		forms = append(forms, string(body))
	}
	for _, form := range forms {
		values, _ := url.ParseQuery(form) // what is malformed is left out, here as later
		for name, list := range values {
			if !storable(name) || !storable(strings.Join(list, "")) {
				return false
			}
		}
	}
	return true
}

func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// patientWriter gives up on a client that takes nothing for readerTime.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// wait gives the client its time anew.
func (w *patientWriter) wait() { _ = w.control.SetWriteDeadline(time.Now().Add(readerTime)) }

// Write implements http.ResponseWriter.
func (w *patientWriter) Write(b []byte) (n int, err error) {
	for {
		w.wait()
		part := b[n:min(len(b), n+writeChunk)]
		done, err := w.ResponseWriter.Write(part)
		if n += done; err != nil || n == len(b) {
			return n, err
		}
	}
}

// Unwrap lets http.ResponseController flush.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
