package notifyhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	maxBody         = 64 << 10
	maxBatchBody    = 1 << 20
	bodyReadTimeout = 5 * time.Second
	storeTimeout    = 10 * time.Second
)

// actions is the whole API. Paths come without the gateway's prefix; {name}
// stands for one segment, {name...} for all that follow. Of several paths that
// match, the first one is meant.
func actions() []action {
	return []action{
		{"POST", "/v1/notifications", signatureOrToken, maxBody, endpoint.post},
		{"GET", "/v1/notifications", tokenOnly, 0, endpoint.list},
		{"POST", "/v1/notifications/batch", signatureOrToken, maxBatchBody, endpoint.postBatch},
		{"GET", "/v1/notifications/{id}", tokenOnly, 0, endpoint.get},
		{"DELETE", "/v1/notifications/{id}", tokenOnly, 0, endpoint.cancel},
		{"POST", "/v1/notifications/{id}/replay", tokenOnly, maxBody, endpoint.replay},
		{"POST", "/v1/ping", signatureOrToken, maxBody, endpoint.ping},
		{"", hookPath + "{rest...}", itsOwn, 0, endpoint.hook},
		{"", webAPIPath + "{rest...}", itsOwn, 0, endpoint.webAPI},
	}
}

// action is what one method does at one path.
type action struct {
	method string // GET serves HEAD, too; empty: whichever, its own to judge
	path   string
	needs  need
	body   int64 // bytes at most; 0: none is read
	do     func(endpoint, visit) *problem
}

// need is the credential that an action asks for.
type need uint8

const (
	// tokenOnly: a signature covers neither method nor path, so only a bearer
	// token opens what is more than taking the signed body in.
	tokenOnly need = iota
	signatureOrToken
	// itsOwn: it has credentials of another kind, and reads its body itself.
	itsOwn
)

// endpoint is the notification API of one route.
type endpoint struct {
	relay   *Relay
	route   *route
	actions []action
}

// visit is a request that may do what it asks for.
type visit struct {
	w    http.ResponseWriter
	r    *http.Request
	args map[string]string // of the path
	who  caller
	body []byte
}

// ServeHTTP serves the API.
func (e endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p := e.serve(w, r); p != nil {
		e.route.noteProblem(r, p)
		p.Write(w, r)
	}
}

func (e endpoint) serve(w http.ResponseWriter, r *http.Request) *problem {
	client := clientOf(r.RemoteAddr)
	if !e.route.admits(client) {
		p := &problem{Status: http.StatusForbidden, Code: "ip_not_allowed", Detail: "this route takes no callers from " + client.String()}
		e.refused(r, p.Code)
		return p
	}
	a, args, p := e.find(r.Method, r.URL.Path)
	if p != nil {
		return p
	}
	v := visit{w: w, r: r, args: args}
	if a.needs == itsOwn {
		return a.do(e, v)
	}
	if v.who, v.body, p = e.authenticate(w, r, a); p != nil {
		if p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden {
			return e.turnAway(r, p)
		}
		return p
	}
	e.relay.uses.note(e.route.host, v.who.credential(), e.relay.now())
	return a.do(e, v)
}

// find looks the action up.
func (e endpoint) find(method, path string) (a action, args map[string]string, p *problem) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	first, allow := "", []string(nil)
	for _, a := range e.actions {
		if first == "" {
			if args = match(a.path, path); args == nil {
				continue
			}
			first = a.path
		}
		if a.path != first {
			continue
		}
		if a.method == method || a.method == "" {
			return a, args, nil
		}
		allow = append(allow, a.method)
		if a.method == http.MethodGet {
			allow = append(allow, http.MethodHead)
		}
	}
	if first == "" {
		return action{}, nil, &problem{Status: http.StatusNotFound, Code: "not_found", Detail: "there is nothing at this path"}
	}
	methods := strings.Join(allow, ", ")
	return action{}, nil, &problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "use " + methods, Allow: methods}
}

// match returns what stands for the names in the pattern, or nil if the path is
// another one.
func match(pattern, path string) map[string]string {
	names, segments := strings.Split(pattern, "/"), strings.Split(path, "/")
	args := map[string]string{}
	for i, name := range names {
		switch {
		case i >= len(segments):
			return nil
		case strings.HasSuffix(name, "...}"):
			args[strings.Trim(name, "{.}")] = strings.Join(segments[i:], "/")
			return args
		case strings.HasPrefix(name, "{") && segments[i] != "":
			args[strings.Trim(name, "{}")] = segments[i]
		case name != segments[i]:
			return nil
		}
	}
	if len(names) != len(segments) {
		return nil
	}
	return args
}

// authenticate checks the caller and returns the body. A bearer token is
// checked before the body is read, a signature needs all of it.
func (e endpoint) authenticate(w http.ResponseWriter, r *http.Request, a action) (who caller, body []byte, p *problem) {
	value, isBearer := bearer(r.Header)
	switch {
	case isBearer:
		if who, p = e.token(value); p != nil {
			return who, nil, p
		}
	case a.needs != signatureOrToken:
		return who, nil, e.route.creds.refuse("bearer_required", "this needs a bearer token")
	}
	if isBearer {
		if a.body > 0 {
			body, p = readBody(w, r, a.body, nil)
		}
		return who, body, p
	}
	if _, _, _, p = e.route.creds.signatureHeaders(r.Header); p != nil {
		return who, nil, p // whatever the body is
	}
	body, leave, p := e.readStranger(w, r, a.body)
	defer leave()
	if p == nil {
		who, p = e.route.creds.checkSignature(r.Header, body, e.relay.now())
	}
	return who, body, p
}

// token checks a bearer token; one of another route is told so, which nobody
// can ask who does not hold it.
func (e endpoint) token(value secret.String) (caller, *problem) {
	who, p := e.route.creds.checkToken(value, e.relay.now())
	if p != nil && p.Code == "token_mismatch" && e.relay.foreignToken(e.route.host, value) {
		return who, &problem{Status: http.StatusForbidden, Code: "route_mismatch", Detail: "the bearer token belongs to another route"}
	}
	return who, p
}

// refused logs callers that may not come in, without letting them fill the log.
func (e endpoint) refused(r *http.Request, code string) {
	client := clientOf(r.RemoteAddr)
	if n, tell := e.relay.refusals.note(e.route.host, client, e.relay.now()); tell {
		e.relay.log.Warn("notification caller refused", "route", e.route.host, "client", client.String(), "code", code, "times", n, "request_id", r.Header.Get("X-Request-Id"))
	}
}

// readBody reads a body of at most limit bytes. larger, unless nil, is asked before
// more is read than usualBody, and may refuse.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, larger func() *problem) ([]byte, *problem) {
	tooLarge := &problem{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Detail: fmt.Sprintf("a body here has at most %d KiB", limit>>10)}
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	ctl := http.NewResponseController(w)
	// A server that cannot set the deadline (a test recorder) has its own.
	_ = ctl.SetReadDeadline(time.Now().Add(bodyReadTimeout))
	body, p, err := readAll(http.MaxBytesReader(w, r.Body, limit), larger)
	if p != nil {
		return nil, p
	}
	if err == nil { // else it goes on holding for what net/http would still read
		_ = ctl.SetReadDeadline(time.Time{})
	}
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		return nil, tooLarge
	}
	if err != nil {
		return nil, &problem{Status: http.StatusBadRequest, Code: "body_unreadable", Detail: "the body did not arrive whole within 5 seconds"}
	}
	return body, nil
}

// fault is for what is not the caller's doing.
func (e endpoint) fault(r *http.Request, err error) *problem {
	e.relay.log.Error("notification request failed", "route", e.route.host, "request_id", r.Header.Get("X-Request-Id"), "error", err)
	if errors.Is(store.Classify(err), store.ErrUnavailable) {
		return unavailable()
	}
	return &problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "the fault is ours; the log has it under the request id"}
}

// invalid is a request that is understood and not right.
func invalid(mistakes ...fieldError) *problem {
	return &problem{Status: http.StatusUnprocessableEntity, Code: "validation", Detail: "see errors for each field", Errors: mistakes}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller is gone, nobody is left to tell
}

// flag reads a yes or no of the query; absent is no.
func flag(r *http.Request, name string) (bool, *problem) {
	values, ok := r.URL.Query()[name]
	switch {
	case !ok || slices.Contains([]string{"0", "false", "no"}, values[0]):
		return false, nil
	case slices.Contains([]string{"", "1", "true", "yes"}, values[0]):
		return true, nil
	}
	return false, invalid(fieldError{Field: name, Code: "not_a_boolean", Detail: "must be 1 or 0"})
}
