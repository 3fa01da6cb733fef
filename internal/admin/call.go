package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

const (
	maxBody = 16 << 10 // of a request, in bytes
	maxBy   = 100      // of Operator.By, in bytes
)

// Operator is in the body of every POST.
type Operator struct {
	By string `json:"by"` // who asks, for the audit: 1 to 100 bytes without control characters
}

func (o Operator) validate() error {
	if o.By == "" || len(o.By) > maxBy || strings.ContainsFunc(o.By, unicode.IsControl) {
		return mistake("by must say who asks, in at most 100 bytes")
	}
	return nil
}

// Failure is the body of every answer but 200, except those of the probes.
type Failure struct {
	Error string `json:"error"`
}

// mistake is an error of whoever asks, in words for them.
type mistake string

// Error is what is wrong.
func (m mistake) Error() string { return string(m) }

// get serves what changes nothing. read gives the answer's body.
func get(cfg Config, read func(ctx context.Context, query url.Values) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := read(r.Context(), r.URL.Query())
		if err != nil {
			cfg.fail(w, r, err)
			return
		}
		answer(w, http.StatusOK, body)
	})
}

// item is get of one thing, by the {id} in its path.
func item(cfg Config, read func(ctx context.Context, id string) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		get(cfg, func(ctx context.Context, _ url.Values) (any, error) { return read(ctx, r.PathValue("id")) }).ServeHTTP(w, r)
	})
}

// post serves an act: do gets the request's body and gives the answer's.
func post[In interface{ validate() error }](cfg Config, do func(ctx context.Context, in In) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		err := decode(http.MaxBytesReader(w, r.Body, maxBody), &in)
		if err == nil {
			err = in.validate()
		}
		var body any
		if err == nil {
			body, err = do(r.Context(), in)
		}
		if err != nil {
			cfg.fail(w, r, err)
			return
		}
		answer(w, http.StatusOK, body)
	})
}

// decode reads one JSON object and nothing else. A field that is not known is a
// mistake: a misspelt route must not mean every route.
func decode(body io.Reader, into any) error {
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, err = dec.Token(); err == io.EOF {
			return nil
		}
		err = errors.New("more than one object")
	}
	return mistake(fmt.Sprintf("the body is not what was expected: %.200v", err))
}

// fail writes why there is no other answer: the asker's mistake in full, ours as
// far as it helps.
func (cfg Config) fail(w http.ResponseWriter, r *http.Request, err error) {
	var theirs mistake
	var wrong *configs.Error
	switch {
	case errors.As(err, &wrong):
		answer(w, http.StatusUnprocessableEntity, Failure{wrong.Error()})
	case errors.As(err, &theirs), errors.Is(err, gateway.ErrSelection), errors.Is(err, gateway.ErrBreakGlass), errors.Is(err, gateway.ErrSetup):
		answer(w, http.StatusBadRequest, Failure{err.Error()})
	case errors.Is(err, notifyhook.ErrNotFound):
		answer(w, http.StatusNotFound, Failure{"there is no such notification, or not any more"})
	case errors.Is(err, notifyhook.ErrNothingToReplay):
		answer(w, http.StatusConflict, Failure{"none of its recipients is without the message; to send it again all the same, say all"})
	case errors.Is(err, gateway.ErrUnknownPerson):
		answer(w, http.StatusNotFound, Failure{gateway.ErrUnknownPerson.Error()})
	default:
		cfg.Log.Error("an operator's request failed", "path", r.URL.Path, "error", err)
		answer(w, http.StatusServiceUnavailable, Failure{"this cannot be done now; the gateway's log says why"})
	}
}

// answer writes an answer of the listener; nil is {}.
func answer(w http.ResponseWriter, status int, body any) {
	if body == nil {
		body = struct{}{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(body) // a probe that has gone away misses nothing
}
