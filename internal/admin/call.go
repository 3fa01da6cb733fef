package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
func get[Out any](cfg Config, read func(ctx context.Context, query url.Values) (Out, error)) http.Handler {
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
func item[Out any](cfg Config, read func(ctx context.Context, id string) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		get(cfg, func(ctx context.Context, _ url.Values) (Out, error) { return read(ctx, r.PathValue("id")) }).ServeHTTP(w, r)
	})
}

// post serves an act: do gets the request's body and gives the answer's.
func post[In interface{ validate() error }, Out any](cfg Config, do func(ctx context.Context, in In) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		err := decode(r.Body, &in)
		if err == nil {
			err = in.validate()
		}
		var body Out
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
	status, text := cfg.failure(r, err)
	answer(w, status, Failure{text})
}

// failure is what to say of an error. It logs what is ours.
func (cfg Config) failure(r *http.Request, err error) (status int, text string) {
	var theirs mistake
	var wrong *configs.Error
	var query *notifyhook.QueryError
	switch {
	case errors.As(err, &wrong):
		return http.StatusUnprocessableEntity, wrong.Error()
	case errors.As(err, &query):
		return http.StatusBadRequest, query.Error()
	case errors.As(err, &theirs), errors.Is(err, gateway.ErrSelection), errors.Is(err, gateway.ErrBreakGlass), errors.Is(err, gateway.ErrSetup):
		return http.StatusBadRequest, err.Error()
	case errors.Is(err, notifyhook.ErrNotFound):
		return http.StatusNotFound, "there is no such notification, or not any more"
	case errors.Is(err, errNoRoute), errors.Is(err, errNoPage):
		return http.StatusNotFound, err.Error()
	case errors.Is(err, notifyhook.ErrNothingToReplay):
		return http.StatusConflict, "none of its recipients is without the message; to send it again all the same, say all"
	case errors.Is(err, gateway.ErrUnknownPerson):
		return http.StatusNotFound, gateway.ErrUnknownPerson.Error()
	}
	cfg.Log.Error("an operator's request failed", "path", r.URL.Path, "error", err)
	return http.StatusServiceUnavailable, "this cannot be done now; the gateway's log says why"
}

// onlyKnown refuses a filter that is not known: it would list what was not asked
// for.
func onlyKnown(query url.Values, names ...string) error {
	for name := range query {
		if !slices.Contains(names, name) {
			return mistake(fmt.Sprintf("there is no filter %.50q", name))
		}
	}
	return nil
}

// limitOf reads ?limit=, a number from 1 to most; 0: it is not said.
func limitOf(query url.Values, most int) (int, error) {
	text := query.Get("limit")
	if text == "" {
		return 0, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 {
		return 0, mistake(fmt.Sprintf("limit must be a number from 1 to %d", most))
	}
	return limit, nil
}

// answer writes an answer of the listener; nil is {}.
func answer(w http.ResponseWriter, status int, body any) {
	if body == nil {
		body = struct{}{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(body) // a probe that has gone away misses nothing
}
