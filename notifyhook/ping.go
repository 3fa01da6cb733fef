package notifyhook

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"time"
)

const (
	pingTimeout = 5 * time.Second // for Slack's part
	maxEcho     = 200             // characters of the text as it was read
)

// pong is all that can be said to who sets a caller up: what was sent, by whom,
// and whether Slack would take it on.
type pong struct {
	OK          bool            `json:"ok"` // the caller's credential and clock are good
	Route       string          `json:"route"`
	Credential  CredentialUse   `json:"credential"`             // the one that matched
	SkewSeconds *int            `json:"skew_seconds,omitempty"` // how far the caller's clock is ahead; signatures only
	Time        time.Time       `json:"time"`
	Body        bodyReport      `json:"body"`
	Slack       slackReport     `json:"slack"`
	Credentials []CredentialUse `json:"credentials"` // all of the route's
	Test        *testReport     `json:"test,omitempty"`
}

// bodyReport is how the request's body was read.
type bodyReport struct {
	Bytes   int      `json:"bytes"`
	UTF8    bool     `json:"utf8"`
	ReadAs  string   `json:"read_as"` // "utf-8" or "windows-1252"
	Text    string   `json:"text,omitempty"`
	Fields  []string `json:"fields,omitempty"`
	Problem *problem `json:"problem,omitempty"` // why it could not be read
}

// testReport is the test message that was asked for.
type testReport struct {
	ID        string   `json:"id"`
	Status    string   `json:"status"`
	Duplicate bool     `json:"duplicate"`
	Warnings  []string `json:"warnings,omitempty"`
}

// ping tells a caller what it got right. With recipients in its body it sends
// them a message through the queue, as any other.
func (e endpoint) ping(v visit) *problem {
	f, body := readPing(v)
	out := pong{OK: true, Route: e.route.host, Credential: CredentialUse{Kind: v.who.Kind, ID: v.who.ID},
		Time: e.relay.now().UTC().Truncate(time.Second), Body: body}
	if !v.who.NotAfter.IsZero() {
		out.Credential.NotAfter = new(v.who.NotAfter.UTC())
	}
	if v.who.Kind == bySignature {
		out.SkewSeconds = &v.who.Skew
	}
	if f["to"] != nil {
		var p *problem
		if out.Test, p = e.sendTest(v, f); p != nil {
			return p
		}
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), pingTimeout)
	defer cancel()
	out.Slack = e.route.askSlack(ctx)
	var err error
	if out.Credentials, err = e.relay.CredentialUse(ctx, e.route.host); err != nil {
		return e.fault(v.r, err)
	}
	writeJSON(v.w, http.StatusOK, out)
	return nil
}

// readPing reads the body as that of a notification would be. What is wrong
// with it is part of the answer.
func readPing(v visit) (fields, bodyReport) {
	out := bodyReport{Bytes: len(v.body), UTF8: true, ReadAs: "utf-8"}
	if len(bytes.TrimSpace(v.body)) == 0 {
		return nil, out
	}
	contentType := v.r.Header.Get("Content-Type")
	f, warnings, p := readFields(contentType, v.body)
	if p != nil {
		out.Problem = new(p.Complete(v.r))
	}
	if out.UTF8 = !slices.Contains(warnings, notUTF8); !out.UTF8 || isLatin(contentType) {
		out.ReadAs = "windows-1252"
	}
	for name := range f {
		out.Fields = append(out.Fields, clip(clean(name), maxShownName))
	}
	slices.Sort(out.Fields)
	out.Fields = out.Fields[:min(len(out.Fields), 50)]
	d := decoder{fields: fields{"text": f["text"]}}
	out.Text = clip(clean(d.text("text")), maxEcho)
	return f, out
}

// sendTest accepts a test message, under the key that it would have as a
// notification: a signature does not cover the path, so what was signed for one
// of the two must not be sent a second time by way of the other.
func (e endpoint) sendTest(v visit, f fields) (*testReport, *problem) {
	ctx, cancel := context.WithTimeout(v.r.Context(), storeTimeout)
	defer cancel()
	now, err := e.relay.arrival(ctx)
	if err != nil {
		return nil, e.fault(v.r, err)
	}
	if f["text"] == nil {
		f["text"] = quote("Test: les notifications de " + e.route.host + " arrivent dans Slack. / Notifications of " + e.route.host + " reach Slack.")
	}
	if f["type"] == nil {
		f["type"] = quote("ping")
	}
	req, warnings, p := e.route.check(f, isStrict(v.r.Header), now)
	if p != nil {
		return nil, p
	}
	if req.DryRun {
		return nil, invalid(fieldError{Field: "dry_run", Code: "not_here", Detail: "a ping without to sends nothing"})
	}
	if req.Key, p = idempotencyKey(v.r.Header, req.Key); p != nil {
		return nil, p
	}
	req.Credential = v.who.credential()
	if p := e.relay.room(ctx, e.route, req); p != nil {
		return nil, p
	}
	id, duplicate, p := e.accept(ctx, v.r, req, now)
	if p != nil {
		return nil, p
	}
	n := req.asAccepted(id, now)
	if duplicate {
		if n, err = e.relay.show(ctx, e.route.host, id); err != nil {
			return nil, e.fault(v.r, err)
		}
	}
	return &testReport{ID: id, Status: n.Status, Duplicate: duplicate, Warnings: warnings}, nil
}
