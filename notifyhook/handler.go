package notifyhook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	maxBody         = 64 << 10
	bodyReadTimeout = 5 * time.Second
	storeTimeout    = 10 * time.Second
)

// endpoint is the notification API of one route.
type endpoint struct {
	relay *Relay
	route *route
}

// ServeHTTP is the whole API. Paths come without the gateway's prefix.
func (e endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const item = "/v1/notifications/"
	var p *problem
	switch path := r.URL.Path; {
	case path == "/v1/notifications":
		p = only(r, http.MethodPost, func() *problem { return e.post(w, r) })
	case path == "/v1/ping":
		p = only(r, http.MethodPost, func() *problem { return e.ping(w, r) })
	case strings.HasPrefix(path, item+"ntf_") && !strings.Contains(path[len(item):], "/"):
		p = only(r, http.MethodGet, func() *problem { return e.get(w, r, path[len(item):]) })
	default:
		p = &problem{Status: http.StatusNotFound, Code: "not_found", Detail: "there is nothing at this path"}
	}
	if p != nil {
		p.Write(w, r)
	}
}

func only(r *http.Request, method string, serve func() *problem) *problem {
	if r.Method != method {
		return &problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "use " + method, Allow: method}
	}
	return serve()
}

// post accepts a notification: 202 once it is on disk, 200 if it already was.
func (e endpoint) post(w http.ResponseWriter, r *http.Request) *problem {
	who, body, p := e.authenticate(w, r)
	if p != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	now, err := e.relay.arrival(ctx)
	if err != nil {
		return e.fault(r, err)
	}
	req, warnings, p := e.route.parse(r, body, now)
	if p != nil {
		return p
	}
	key, p := idempotencyKey(r.Header, req.Key)
	if p != nil {
		return p
	}
	req.Key = key
	if key == "" {
		warnings = append(warnings, "no key was given: sent again, this would be another notification")
	}
	id, duplicate, err := e.relay.accept(ctx, e.route, req, now)
	if errors.Is(err, errKeyReused) {
		return &problem{Status: http.StatusUnprocessableEntity, Code: "key_reused",
			Detail: "the key was used before for a notification with other content"}
	}
	if err != nil {
		return e.fault(r, err)
	}
	e.relay.log.Debug("notification accepted", "route", e.route.host, "notification", id, "duplicate", duplicate, "credential", who.ID)
	v := req.asAccepted(id, now)
	if duplicate {
		if v, err = e.relay.show(ctx, e.route.host, id); err != nil {
			return e.fault(r, err)
		}
	}
	writeAccepted(w, v, duplicate, warnings)
	return nil
}

func writeAccepted(w http.ResponseWriter, v notificationView, duplicate bool, warnings []string) {
	out := struct {
		ID         string          `json:"id"`
		Key        string          `json:"key,omitempty"`
		Status     string          `json:"status"`
		Duplicate  bool            `json:"duplicate"`
		Recipients []recipientLine `json:"recipients"`
		Warnings   []string        `json:"warnings"`
	}{ID: v.ID, Key: v.Key, Status: v.Status, Duplicate: duplicate, Warnings: append([]string{}, warnings...)}
	for _, d := range v.Recipients {
		out.Recipients = append(out.Recipients, recipientLine{To: d.To, State: d.State})
	}
	status := http.StatusAccepted
	if duplicate {
		status = http.StatusOK
		w.Header().Set("Idempotent-Replayed", "true")
	}
	writeJSON(w, status, out)
}

type recipientLine struct {
	To    string `json:"to"`
	State string `json:"state"`
}

// get shows one notification of the route. A signature covers neither method
// nor path, so only a bearer token opens this.
func (e endpoint) get(w http.ResponseWriter, r *http.Request, id string) *problem {
	value, ok := bearer(r.Header)
	if !ok {
		return e.route.creds.refuse("bearer_required", "reading needs a bearer token")
	}
	if _, p := e.token(value); p != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	v, err := e.relay.show(ctx, e.route.host, id)
	if errors.Is(err, errNotFound) {
		return &problem{Status: http.StatusNotFound, Code: "not_found", Detail: "this route has no notification with this id"}
	}
	if err != nil {
		return e.fault(r, err)
	}
	writeJSON(w, http.StatusOK, v)
	return nil
}

// ping tells a caller whether its credential and its clock are right.
func (e endpoint) ping(w http.ResponseWriter, r *http.Request) *problem {
	who, _, p := e.authenticate(w, r)
	if p != nil {
		return p
	}
	type credential struct {
		Kind     string     `json:"kind"`
		ID       string     `json:"id"`
		NotAfter *time.Time `json:"not_after,omitempty"`
	}
	out := struct {
		OK          bool       `json:"ok"`
		Route       string     `json:"route"`
		Credential  credential `json:"credential"`
		SkewSeconds *int       `json:"skew_seconds,omitempty"`
		Time        time.Time  `json:"time"`
	}{OK: true, Route: e.route.host, Credential: credential{Kind: who.Kind, ID: who.ID}, Time: e.relay.now().UTC().Truncate(time.Second)}
	if !who.NotAfter.IsZero() {
		out.Credential.NotAfter = new(who.NotAfter.UTC())
	}
	if who.Kind == "signature" {
		out.SkewSeconds = &who.Skew
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// authenticate checks the caller and returns the body. A bearer token is
// checked before the body is read, a signature needs all of it.
func (e endpoint) authenticate(w http.ResponseWriter, r *http.Request) (caller, []byte, *problem) {
	value, isBearer := bearer(r.Header)
	var who caller
	var p *problem
	if isBearer {
		if who, p = e.token(value); p != nil {
			return who, nil, p
		}
	}
	body, p := readBody(w, r)
	if p != nil {
		return who, nil, p
	}
	if !isBearer {
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

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	tooLarge := &problem{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Detail: "a notification has at most 64 KiB"}
	if r.ContentLength > maxBody {
		return nil, tooLarge
	}
	ctl := http.NewResponseController(w)
	// A server that cannot set the deadline (a test recorder) has its own.
	_ = ctl.SetReadDeadline(time.Now().Add(bodyReadTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
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

func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller is gone, nobody is left to tell
}
