package notifyhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/store"
)

// hookPath is what the address of a hook begins with: /services/ID/TOKEN.
const hookPath = "/services/"

// hookAnswer is what an incoming webhook says: one word, with the status that
// Slack has for it
// (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors).
type hookAnswer struct {
	status int
	word   string
	wait   int // Retry-After in seconds; 0: not sent
}

// hook answers what comes in place of an incoming webhook of Slack's: exactly
// "ok" once the message is on disk.
func (e endpoint) hook(v visit) *problem {
	w, r := v.w, v.r
	a := e.takeHook(w, r)
	switch {
	case a.status == http.StatusServiceUnavailable:
		e.route.noteRefused("store_unavailable")
	case a.status != http.StatusOK:
		e.route.noteRefused(a.word)
	}
	plainHeader(w, r, "text/plain; charset=utf-8", a.wait)
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, a.word) // the caller is gone, nobody is left to tell
	}
	return nil
}

func (e endpoint) takeHook(w http.ResponseWriter, r *http.Request) hookAnswer {
	id, token, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, hookPath), "/")
	h, ok := e.route.hooks[id]
	if !ok {
		return e.strangeHook(r, hookAnswer{status: http.StatusNotFound, word: "no_service"})
	}
	who, ok := h.admits(id, secret.String(token), e.relay.now())
	if !ok {
		return e.strangeHook(r, hookAnswer{status: http.StatusForbidden, word: "invalid_token"})
	}
	if r.Method != http.MethodPost {
		return hookAnswer{status: http.StatusBadRequest, word: "invalid_payload"}
	}
	body, p := readBody(w, r, maxBody, nil)
	if p != nil {
		return hookRefusal(p)
	}
	args, word := readPayload(r.Header.Get("Content-Type"), body)
	if word != "" {
		return hookAnswer{status: http.StatusBadRequest, word: string(word)}
	}
	to := h.to
	if channel := args["channel"]; channel != "" {
		if to, ok = destination(channel); !ok {
			return hookAnswer{status: http.StatusNotFound, word: "channel_not_found"}
		}
	}
	q, _, word := args.message(to)
	if word != "" {
		return hookAnswer{status: http.StatusBadRequest, word: string(word)}
	}
	if _, p := e.keep(r, q, who); p != nil {
		return hookRefusal(p)
	}
	return hookAnswer{status: http.StatusOK, word: "ok"}
}

// strangeHook is turnAway in Slack's words.
func (e endpoint) strangeHook(r *http.Request, a hookAnswer) hookAnswer {
	if p := e.turnAway(r, &problem{Status: a.status, Code: a.word}); p.Status != a.status {
		return hookRefusal(p)
	}
	return a
}

// hookRefusal says in Slack's words what a problem says in ours.
func hookRefusal(p *problem) hookAnswer {
	switch p.Status {
	case http.StatusServiceUnavailable:
		return hookAnswer{status: p.Status, word: p.Detail, wait: p.RetryAfter}
	case http.StatusTooManyRequests:
		return hookAnswer{status: p.Status, word: "rate_limited", wait: max(p.RetryAfter, 1)}
	case http.StatusInternalServerError:
		return hookAnswer{status: p.Status, word: "rollup_error"}
	case http.StatusRequestEntityTooLarge:
		return hookAnswer{status: p.Status, word: "msg_too_long"}
	}
	return hookAnswer{status: http.StatusBadRequest, word: "invalid_payload"}
}

// plainHeader sets what every answer in Slack's place has.
func plainHeader(w http.ResponseWriter, r *http.Request, contentType string, wait int) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(wait))
	}
	if r.ProtoMajor == 1 && r.ContentLength > maxBody {
		h.Set("Connection", "close") // a body that nobody reads must not hold the answer up
	}
}

// destination is the recipient that a channel argument names: an id, or the
// name of a channel with or without #.
func destination(channel string) (to string, ok bool) {
	channel = strings.TrimSpace(channel)
	if kind, same := classify(channel); kind != unknownRecipient {
		return same, true
	}
	kind, same := classify("#" + channel)
	return same, kind == channelName
}

// keep writes down a request that came in Slack's terms, once for each
// Idempotency-Key if there is one, and returns the ts by which its caller was
// told the message, now or before.
func (e endpoint) keep(r *http.Request, q request, who caller) (ts string, p *problem) {
	if q.Key, p = idempotencyKey(r.Header, ""); p != nil {
		return "", p
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	now, err := e.relay.arrival(ctx)
	if err != nil {
		return "", e.fault(r, err)
	}
	q.Credential = who.credential()
	e.relay.uses.note(e.route.host, q.Credential, e.relay.now())
	if p := e.relay.room(ctx, e.route, q); p != nil {
		return "", p
	}
	var id string
	var duplicate bool
	for range 2 { // another replica may have given the very ts
		q.OwnTS = e.relay.stamps.next(now)
		id, duplicate, err = e.relay.accept(ctx, e.route, q, now)
		if err == nil || errors.Is(err, errKeyReused) || errors.Is(err, store.ErrUnavailable) {
			break
		}
	}
	if errors.Is(err, errKeyReused) {
		return "", keyReused()
	}
	if err == nil && duplicate {
		q.OwnTS, err = e.relay.ownTS(ctx, id)
	}
	if err != nil {
		return "", e.fault(r, err)
	}
	e.relay.log.Debug("notification accepted", "route", e.route.host, "notification", id, "duplicate", duplicate, "credential", q.Credential)
	return q.OwnTS, nil
}

// ownTS reads the ts that a message accepted before was given.
func (r *Relay) ownTS(ctx context.Context, notification string) (ts string, err error) {
	err = r.store.Read().QueryRowContext(ctx, `SELECT own_ts FROM delivery WHERE notification_id = $1 ORDER BY seq LIMIT 1`, notification).Scan(&ts)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read ts of message: %w", err)
	}
	return ts, nil
}
