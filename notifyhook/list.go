package notifyhook

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultPage = 50
	maxPage     = 100
	// maxLooked bounds what one page costs: filters that no index serves may
	// leave it short, and the next one goes on from there.
	maxLooked = 2000
)

// Query says which notifications to list.
type Query struct {
	Route  string    // host; empty: all routes
	Key    string    // as the caller gave it; empty: any
	To     string    // a recipient, in any spelling; empty: any
	Status string    // scheduled | queued | sent | partial | failed | cancelled | suppressed; empty: any
	Since  time.Time // accepted then or later; zero: any
	Until  time.Time // accepted before; zero: any
	Cursor string    // Next of the page before; empty: from the newest
	Limit  int       // of one page, at most 100; 0: 50
}

// Page is a part of a list of notifications, the newest first. Their attempts
// are left out.
type Page struct {
	Items []Notification `json:"items"`          // perhaps fewer than asked for, or none, although there is a Next
	Next  string         `json:"next,omitempty"` // Query.Cursor of the next page; empty: this is the last
}

// QueryError is a mistake in a Query.
type QueryError struct {
	Field  string // limit, status, to or cursor
	Detail string // what it must be instead
}

// Error names the field and what it must be.
func (e *QueryError) Error() string { return e.Field + " " + e.Detail }

// List returns a page of notifications. The list is stable under its cursor:
// what is accepted meanwhile is newer than all that follows. The error is a
// [*QueryError], or the store's.
func (r *Relay) List(ctx context.Context, q Query) (Page, error) {
	l, err := newListing(q)
	if err != nil {
		return Page{}, err
	}
	if err := r.beginListing(ctx, &l); err != nil {
		return Page{}, err
	}
	page, last := Page{Items: []Notification{}}, int64(0)
	for looked := 0; ; {
		rows, more, err := r.lookThrough(ctx, &l)
		if err != nil {
			return Page{}, err
		}
		looked += len(rows)
		rows = slices.DeleteFunc(rows, func(one listed) bool { return l.Status != "" && one.status != l.stored() })
		for part := range slices.Chunk(rows, l.Limit+1) {
			found, err := r.read(ctx, idsOf(part))
			if err != nil {
				return Page{}, err
			}
			for i, n := range found {
				if n.ID == "" || l.Status != "" && n.Status != l.Status {
					continue
				}
				if len(page.Items) == l.Limit {
					page.Next = l.cursor(last)
					return page, nil
				}
				page.Items, last = append(page.Items, n), part[i].seq
			}
		}
		switch {
		case !more:
			return page, nil
		case len(page.Items) == l.Limit:
			page.Next = l.cursor(last)
			return page, nil
		case looked >= maxLooked:
			page.Next = l.cursor(l.before)
			return page, nil
		}
	}
}

// list answers with a page of the route's notifications.
func (e endpoint) list(v visit) *problem {
	q, p := readQuery(v.r.URL.Query())
	if p != nil {
		return p
	}
	q.Route = e.route.host
	ctx, cancel := context.WithTimeout(v.r.Context(), storeTimeout)
	defer cancel()
	page, err := e.relay.List(ctx, q)
	if mistake, ok := errors.AsType[*QueryError](err); ok {
		return invalid(fieldError{Field: mistake.Field, Code: "malformed", Detail: mistake.Detail})
	}
	if err != nil {
		return e.fault(v.r, err)
	}
	writeJSON(v.w, http.StatusOK, page)
	return nil
}

// readQuery reads the parameters of a list. An unknown one is refused: a filter
// that is not understood would show what was not asked for.
func readQuery(values url.Values) (Query, *problem) {
	var q Query
	var mistakes []fieldError
	for name := range values {
		value := values.Get(name)
		if value == "" {
			continue
		}
		var err error
		switch name {
		case "key":
			q.Key = value
		case "to":
			q.To = value
		case "status":
			q.Status = value
		case "cursor":
			q.Cursor = value
		case "since":
			if q.Since, err = time.Parse(time.RFC3339, value); err != nil {
				mistakes = append(mistakes, fieldError{Field: name, Code: "malformed", Detail: "must be like 2026-11-24T08:00:00Z, a + in it as %2B"})
			}
		case "limit":
			if q.Limit, err = strconv.Atoi(value); err != nil || q.Limit == 0 {
				q.Limit = -1
			}
		default:
			mistakes = append(mistakes, fieldError{Field: clip(clean(name), maxShownName), Code: "unknown_field", Detail: "known are key, to, status, since, cursor and limit"})
		}
	}
	if len(mistakes) > 0 {
		slices.SortFunc(mistakes, func(a, b fieldError) int { return strings.Compare(a.Field, b.Field) })
		return q, invalid(mistakes...)
	}
	return q, nil
}
