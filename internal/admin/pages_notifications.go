package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/cocoom/cocoom-gateway/notifyhook"
)

type notificationsPage struct {
	notifyhook.Page
	Asked        url.Values
	Statuses     []string
	First, After string
}

// statuses are those that a notification may have.
var statuses = []string{"scheduled", "queued", "sent", "partial", "failed", "cancelled", "suppressed"}

func (p *pages) notifications(r *http.Request) (view, error) {
	query := filters(r)
	list, err := p.cfg.listNotifications(r.Context(), query)
	data := notificationsPage{Page: list, Asked: url.Values{}, Statuses: statuses, First: first(query, "/ui/notifications")}
	for name := range query {
		data.Asked.Set(name, query.Get(name))
	}
	data.After = after(r, query, list.Next)
	return view{Page: "notifications", Title: "Notifications", Data: data}, err
}

type notificationPage struct {
	notifyhook.Explained
	Replayable, Cancellable bool
}

func (p *pages) notification(r *http.Request) (view, error) {
	n, err := p.cfg.showNotification(r.Context(), r.PathValue("id"))
	if err != nil {
		return view{Page: "error", Title: "Not found"}, err
	}
	has := func(state string) bool {
		return slices.ContainsFunc(n.Recipients, func(d notifyhook.Delivery) bool { return d.State == state })
	}
	return view{Page: "notification", Title: "Notification " + n.ID, Data: notificationPage{n, n.FinishedAt != nil && has("dead"), has("queued")}}, nil
}

func (p *pages) replayOne(r *http.Request) (string, error) {
	done, err := p.cfg.replay(r.Context(), Replay{Operator: p.operator(r), ID: r.PathValue("id")})
	if err != nil {
		return "", err
	}
	return "/ui/notifications/" + url.PathEscape(done.Replayed[0].New) + "?done=replayed", nil
}

func (p *pages) cancelOne(r *http.Request) (string, error) {
	id := r.PathValue("id")
	done, err := p.cfg.cancel(r.Context(), Cancel{p.operator(r), id})
	return "/ui/notifications/" + url.PathEscape(id) + "?done=cancelled&n=" + strconv.Itoa(done.Cancelled), err
}

// replayPage asks before all of a kind is sent again.
type replayPage struct {
	Route    string
	Error    string // empty: whatever the error
	Failures []notifyhook.Failure
	Most     int // at a time
}

func (p *pages) askToReplay(r *http.Request) (view, error) {
	v := view{Page: "error", Title: "Send again"}
	query := filters(r)
	data := replayPage{Route: query.Get("route"), Error: query.Get("error"), Most: notifyhook.MaxReplays}
	found, err := p.cfg.failures(r.Context(), url.Values{"route": {data.Route}})
	if err != nil {
		return v, err
	}
	for _, f := range found.Failures {
		if data.Error == "" || f.Error == data.Error {
			data.Failures = append(data.Failures, f)
		}
	}
	v.Page, v.Data = "replay", data
	return v, nil
}

func (p *pages) replayAll(r *http.Request) (string, error) {
	form := r.PostForm
	asked := Replay{Operator: p.operator(r), Route: form.Get("route"), Failed: true, Error: form.Get("error")}
	if err := asked.validate(); err != nil {
		return "", err
	}
	done, err := p.cfg.replay(r.Context(), asked)
	words := "replayed"
	if done.More {
		words = "more"
	}
	back := url.Values{"route": {asked.Route}, "done": {words}, "n": {strconv.Itoa(len(done.Replayed))}}
	return "/ui/notifications?" + back.Encode(), err
}
