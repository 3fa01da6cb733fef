package gateway

import (
	"context"
	"database/sql"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

const (
	// listAbove is how many people of a route may wait for their turn before
	// they are listed all at once: that many questions take five minutes, and
	// users.list tells about a hundred people at a time.
	listAbove = 300
	// listPage is the people of one page. Slack takes up to 1000; an answer of
	// ours is bounded (slackapi.MaxAnswer), and profiles can be long.
	listPage = 100
	// listPace is between two pages: users.list may be called 20 times a minute.
	listPace = 4 * time.Second
	// listLease keeps other replicas away while one lists. It is renewed by each
	// page, so that a listing whose replica died is begun anew soon.
	listLease = 30 * time.Second
	// listPause is between two listings: who waits although everybody was just
	// listed is asked about one by one.
	listPause = 10 * time.Minute
)

// listing is one under way.
type listing struct {
	cursor string
	next   time.Time
	ends   time.Time // gives up: by then all could have been asked about one by one
}

func (p *people) listAbove() int {
	if p.rechecks.listAbove > 0 {
		return p.rechecks.listAbove
	}
	return listAbove
}

// mayList reports whether people can be listed, and the last listing was long
// enough ago.
func (p *people) mayList(rt *Route) bool {
	if rt.SlackApp.BotToken == "" {
		return false
	}
	p.rechecks.mu.Lock()
	defer p.rechecks.mu.Unlock()
	last, ok := p.rechecks.listed[rt.Host]
	return !ok || p.now().Sub(last) > listPause
}

// beginListing lists everybody since so many wait. A workspace with far more
// people, or a list that never ends, must not keep their turn from them for ever.
func (p *people) beginListing(ctx context.Context, rt *Route, waiting int) {
	now := p.now()
	p.rechecks.mu.Lock()
	p.rechecks.listings[rt.Host] = &listing{next: now, ends: now.Add(time.Duration(max(waiting, listAbove)) * botPace)}
	p.rechecks.listed[rt.Host] = now
	p.rechecks.mu.Unlock()
	p.goOnListing(ctx, rt)
}

// goOnListing asks for the next page of a listing under way when its time has
// come. It is false if there is none.
func (p *people) goOnListing(ctx context.Context, rt *Route) bool {
	p.rechecks.mu.Lock()
	l := p.rechecks.listings[rt.Host]
	if l != nil && p.now().Sub(l.next) > listLease { // others may have begun one since
		delete(p.rechecks.listings, rt.Host)
		l = nil
	}
	p.rechecks.mu.Unlock()
	if l == nil {
		return false
	}
	if now := p.now(); !now.Before(l.next) {
		l.next = now.Add(listPace)
		if done, err := p.listPage(ctx, rt, l); done || err != nil {
			p.rechecks.mu.Lock()
			delete(p.rechecks.listings, rt.Host)
			p.rechecks.mu.Unlock()
			if err != nil && ctx.Err() == nil {
				p.log.Error("people cannot be listed", "route", rt.Host, "error", err)
			}
		}
	}
	return true
}

// listPage asks for one page and writes it down. done is the last one, that there
// are too many, or that Slack cannot be asked: then those who still wait are asked about by themselves.
func (p *people) listPage(ctx context.Context, rt *Route, l *listing) (done bool, err error) {
	asked, err := p.store.Now(ctx)
	if err != nil {
		return false, err
	}
	if err := p.hold(ctx, rt, listLease); err != nil {
		return false, err
	}
	bounded, cancel := context.WithTimeout(ctx, slackTimeout)
	defer cancel()
	page := slackapi.New(rt.SlackApp.BotToken, rt.conf.apiURL, p.carrier).GetUsersPaginated(
		slack.GetUsersOptionLimit(listPage), slack.GetUsersOptionCursor(l.cursor), slack.GetUsersOptionIncludeLocale(false))
	err = p.calls.Do(bounded, "users.list", slackapi.Affirmed("members", func(ctx context.Context) (err error) {
		page, err = page.Next(ctx)
		return err
	}))
	if err != nil {
		t := troubleOf(err)
		if t.setup {
			p.alarms.raise(rt, "people", t.reason)
		}
		return true, p.hold(ctx, rt, t.wait)
	}
	var reports []report
	for i := range page.Users {
		u := &page.Users[i]
		key := personKey{rt.Host, rt.Workspace, u.ID}
		if !p.directory.knows(key) || !belongs(rt, u) {
			continue
		}
		groups, err := p.groups.of(ctx, rt, u.ID)
		if err != nil {
			return false, err
		}
		reports = append(reports, report{key: key, asked: asked.UnixMilli(), change: func(f *facts) { describeUser(f, u); groups.describe(f) }})
	}
	if _, err := p.write(ctx, rt, reports...); err != nil {
		return false, err
	}
	p.alarms.clear(rt, "people", "unchecked", "bot_revoked", "app_uninstalled")
	if l.cursor = page.Cursor; l.cursor != "" && l.next.Before(l.ends) {
		return false, nil
	}
	return true, p.hold(ctx, rt, botPace)
}

// hold keeps every replica from asking for d.
func (p *people) hold(ctx context.Context, rt *Route, d time.Duration) error {
	return p.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO upkeep (route, not_before) VALUES ($1, $2)
			ON CONFLICT (route) DO UPDATE SET not_before = excluded.not_before`, rt.Host, p.now().Add(d).UnixMilli())
		return err
	})
}
