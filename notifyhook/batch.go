package notifyhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

const (
	maxBatch = 100 // items
	// maxTogether is how many deliveries of a batch one transaction writes:
	// others wait for it.
	maxTogether = 500
)

// batchItem is what came of one item of a batch, in the words of the answer that
// it would have got alone.
type batchItem struct {
	Status    int      `json:"status"` // of HTTP
	ID        string   `json:"id,omitempty"`
	Key       string   `json:"key,omitempty"`
	Duplicate bool     `json:"duplicate,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
	Problem   *problem `json:"problem,omitempty"`
	Preview   *trial   `json:"preview,omitempty"` // of a dry run

	request request
}

// batch is a request with several notifications, as far as it could be read.
type batch struct {
	items    []batchItem
	dryRun   bool
	warnings []string
}

// postBatch accepts up to 100 notifications, each for itself: the answer is 200
// as soon as the batch as such can be read, and says of each item what it came
// to.
func (e endpoint) postBatch(v visit) *problem {
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
	b, p := e.route.parseBatch(v.r, v.body, now)
	if p != nil {
		return p
	}
	if dry || b.dryRun {
		e.tryBatch(v, b, now)
	} else {
		e.takeBatch(ctx, v, b, now)
	}
	out := struct {
		Accepted   int         `json:"accepted"`
		Duplicates int         `json:"duplicates"`
		Refused    int         `json:"refused"`
		Items      []batchItem `json:"items"` // in the order of the request
		Warnings   []string    `json:"warnings"`
	}{Items: b.items, Warnings: append([]string{}, b.warnings...)}
	for i := range b.items {
		switch one := &b.items[i]; {
		case one.Problem != nil:
			one.Status, one.Problem = one.Problem.Status, new(one.Problem.Complete(v.r))
			out.Refused++
			e.route.noteRefused(one.Problem.Code)
		case one.Duplicate:
			out.Duplicates++
		case one.Status == http.StatusAccepted:
			out.Accepted++
		}
	}
	writeJSON(v.w, http.StatusOK, out)
	return nil
}

// parseBatch reads {"items": […]}. A mistake in an item is that item's problem.
func (rt *route) parseBatch(r *http.Request, body []byte, now time.Time) (batch, *problem) {
	f, warnings, p := readFields(r.Header.Get("Content-Type"), body)
	if p != nil {
		return batch{}, p
	}
	d := decoder{fields: f, warnings: warnings}
	var raw []json.RawMessage
	if list := d.take("items"); len(list) == 0 || json.Unmarshal(list, &raw) != nil {
		d.mistake("items", "not_a_list", "must be a list of notifications")
	} else if len(raw) == 0 || len(raw) > maxBatch {
		d.mistake("items", "out_of_range", fmt.Sprintf("must be 1 to %d notifications", maxBatch))
	}
	b := batch{dryRun: d.boolean("dry_run")}
	d.rest(isStrict(r.Header))
	key, p := idempotencyKey(r.Header, "")
	if p != nil {
		return b, p
	}
	if len(key) > maxKeyLength-len(":99") {
		d.mistake("key", "too_long", "the key of a batch has at most 125 characters, since :0 to :99 are put behind it")
	}
	if len(d.errors) > 0 {
		return b, invalid(d.errors...)
	}
	b.warnings = d.warnings
	for i, one := range raw {
		item := rt.parseItem(one, isStrict(r.Header), now)
		if item.Problem == nil && item.request.Key == "" && key != "" {
			item.request.Key = key + ":" + strconv.Itoa(i)
		}
		item.Key = item.request.Key
		b.items = append(b.items, item)
	}
	return b, nil
}

// parseItem reads one notification of a batch, which alone could have been no
// larger either.
func (rt *route) parseItem(raw json.RawMessage, strict bool, now time.Time) (item batchItem) {
	var f fields
	switch {
	case len(raw) > maxBody:
		item.Problem = &problem{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Detail: fmt.Sprintf("an item has at most %d KiB", maxBody>>10)}
	case !bytes.HasPrefix(raw, []byte("{")) || json.Unmarshal(raw, &f) != nil:
		item.Problem = badBody("unparsable", "the item is not a JSON object")
	default:
		item.request, item.Warnings, item.Problem = rt.check(f, strict, now)
	}
	return item
}

// takeBatch accepts the items that are right, as many as fit in one durable
// write. Room for them is taken one by one, so that the first ones fill it.
func (e endpoint) takeBatch(ctx context.Context, v visit, b batch, now time.Time) {
	var together []*batchItem
	deliveries := 0
	for i := range b.items {
		one := &b.items[i]
		if one.Problem != nil {
			continue
		}
		if one.request.DryRun {
			one.Problem = invalid(fieldError{Field: "dry_run", Code: "not_here", Detail: "a batch is tried out as a whole"})
			continue
		}
		var err error
		if one.request, one.Warnings, err = e.route.prepare(one.request, v.who, one.Warnings); err != nil {
			one.Problem = e.fault(v.r, err)
			continue
		}
		if one.Problem = e.relay.room(ctx, e.route, one.request); one.Problem != nil {
			continue
		}
		if n := len(one.request.To); len(together) > 0 && deliveries+n > maxTogether {
			e.takeTogether(ctx, v, together, now)
			together, deliveries = nil, 0
		}
		together = append(together, one)
		deliveries += len(one.request.To)
	}
	e.takeTogether(ctx, v, together, now)
}

// takeTogether accepts items in one transaction. If that fails for a reason of
// some item's, and not of the store's, each gets a transaction of its own.
func (e endpoint) takeTogether(ctx context.Context, v visit, items []*batchItem, now time.Time) {
	if len(items) == 0 {
		return
	}
	asked := make([]request, len(items))
	for i, one := range items {
		asked[i] = one.request
	}
	list, err := e.relay.acceptAll(ctx, e.route, asked, now)
	if err != nil && len(items) > 1 && !errors.Is(err, store.ErrUnavailable) {
		for _, one := range items {
			e.takeTogether(ctx, v, []*batchItem{one}, now)
		}
		return
	}
	if err != nil {
		p := e.fault(v.r, err)
		for _, one := range items {
			one.Problem = p
		}
		return
	}
	for i, one := range items {
		switch done := list[i]; {
		case done.err != nil:
			one.Problem = keyReused()
		case done.duplicate:
			one.ID, one.Duplicate, one.Status = done.id, true, http.StatusOK
		default:
			one.ID, one.Status = done.id, http.StatusAccepted
		}
	}
}

// tryBatch is takeBatch without keeping or sending anything.
func (e endpoint) tryBatch(v visit, b batch, now time.Time) {
	var asked []request
	for _, one := range b.items {
		if one.Problem == nil {
			asked = append(asked, one.request)
		}
	}
	trials := e.relay.tryOut(v.r.Context(), e.route, asked, now)
	for i := range b.items {
		if b.items[i].Problem == nil {
			b.items[i].Status, b.items[i].Preview = http.StatusOK, &trials[0]
			trials = trials[1:]
		}
	}
}
