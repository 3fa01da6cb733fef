package notifyhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// post accepts a notification: 202 once it is on disk, 200 if it already was.
func (e endpoint) post(v visit) *problem {
	ctx, cancel := context.WithTimeout(v.r.Context(), storeTimeout)
	defer cancel()
	now, err := e.relay.arrival(ctx)
	if err != nil {
		return e.fault(v.r, err)
	}
	dry, p := flag(v.r, "dry_run")
	if p != nil {
		return p
	}
	req, warnings, p := e.route.parse(v.r, v.body, now)
	if p != nil {
		return p
	}
	if req.Key, p = idempotencyKey(v.r.Header, req.Key); p != nil {
		return p
	}
	if dry || req.DryRun {
		writeJSON(v.w, http.StatusOK, e.relay.tryOut(v.r.Context(), e.route, []request{req}, now)[0].with(warnings))
		return nil
	}
	if req, warnings, err = e.route.prepare(req, v.who, warnings); err != nil {
		return e.fault(v.r, err)
	}
	if p := e.relay.room(ctx, e.route, req); p != nil {
		return p
	}
	id, duplicate, p := e.accept(ctx, v.r, req, now)
	if p != nil {
		return p
	}
	return e.accepted(ctx, v, req.asAccepted(id, now), duplicate, warnings)
}

// accept is Relay.accept for a caller who waits for the answer.
func (e endpoint) accept(ctx context.Context, r *http.Request, q request, now time.Time) (id string, duplicate bool, p *problem) {
	id, duplicate, err := e.relay.accept(ctx, e.route, q, now)
	if errors.Is(err, errKeyReused) {
		return "", false, keyReused()
	}
	if err != nil {
		return "", false, e.fault(r, err)
	}
	e.relay.log.Debug("notification accepted", "route", e.route.host, "notification", id, "duplicate", duplicate, "credential", q.Credential)
	return id, duplicate, nil
}

func keyReused() *problem {
	return &problem{Status: http.StatusUnprocessableEntity, Code: "key_reused",
		Detail: "the key was used before for a notification with other content"}
}

// prepare says by which credential a request came, and what stands in for a key
// that its caller did not give.
func (rt *route) prepare(q request, who caller, warnings []string) (request, []string, error) {
	q.Credential = who.credential()
	if q.Key != "" {
		return q, warnings, nil
	}
	if rt.Collapse == 0 {
		return q, append(warnings, "no key was given: sent again, this would be another notification"), nil
	}
	same, err := q.sameness()
	q.own = ownKey{name: ownMark + "same:" + same, window: rt.Collapse}
	return q, append(warnings, fmt.Sprintf("no key was given: sent again after %s, this would be another notification", rt.Collapse)), err
}

// sameness is the same for requests that look the same to who reads them: the
// fingerprint of all but the application's own notes. What is to be sent at
// another time is another thing, even if it says the same.
func (q request) sameness() (string, error) {
	q.Meta, q.ExpiresIn = nil, 0
	canonical, _, err := q.fingerprint()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:16]), nil
}

// accepted answers with a notification as it is right after the commit, or, if
// it was there before, as it is by now.
func (e endpoint) accepted(ctx context.Context, v visit, n Notification, duplicate bool, warnings []string) *problem {
	status := http.StatusAccepted
	if duplicate {
		var err error
		if n, err = e.relay.show(ctx, e.route.host, n.ID); err != nil {
			return e.fault(v.r, err)
		}
		status = http.StatusOK
		v.w.Header().Set("Idempotent-Replayed", "true")
	}
	out := struct {
		ID         string          `json:"id"`
		Key        string          `json:"key,omitempty"`
		ReplayOf   string          `json:"replay_of,omitempty"`
		Status     string          `json:"status"`
		Duplicate  bool            `json:"duplicate"`
		Recipients []recipientLine `json:"recipients"`
		Warnings   []string        `json:"warnings"`
	}{ID: n.ID, Key: n.Key, ReplayOf: n.ReplayOf, Status: n.Status, Duplicate: duplicate, Warnings: append([]string{}, warnings...)}
	for _, d := range n.Recipients {
		out.Recipients = append(out.Recipients, recipientLine{To: d.To, State: d.State})
	}
	writeJSON(v.w, status, out)
	return nil
}

type recipientLine struct {
	To    string `json:"to"`
	State string `json:"state"`
}

// get shows one notification of the route.
func (e endpoint) get(v visit) *problem {
	ctx, cancel := context.WithTimeout(v.r.Context(), storeTimeout)
	defer cancel()
	id, p := v.id()
	if p != nil {
		return p
	}
	n, err := e.relay.show(ctx, e.route.host, id)
	if err != nil {
		return e.missing(v.r, err)
	}
	writeJSON(v.w, http.StatusOK, n)
	return nil
}

// id is the notification's in the path.
func (v visit) id() (string, *problem) {
	if id := v.args["id"]; idForm.MatchString(id) {
		return id, nil
	}
	return "", noSuchNotification()
}

func noSuchNotification() *problem {
	return &problem{Status: http.StatusNotFound, Code: "not_found", Detail: "this route has no notification with this id"}
}

// missing is fault, for what may also be the caller's asking for what is not
// there.
func (e endpoint) missing(r *http.Request, err error) *problem {
	if errors.Is(err, ErrNotFound) {
		return noSuchNotification()
	}
	return e.fault(r, err)
}
