package gateway

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

const (
	groupsEvery = 15 * time.Minute
	// groupsPause is between two listings whatever happens: usergroups.list may
	// be called 20 times a minute.
	groupsPause = 5 * time.Second
	groupsAgain = 30 * time.Second // after a failure
)

// groupLists knows, route by route, who is in which usergroup: one listing for
// all people, since Slack has no way to ask about one.
type groupLists struct {
	*people

	mu    sync.Mutex
	lists map[listOf]*groupList
}

// listOf is what a listing is of: a route that gets another workspace or another
// bot token begins anew.
type listOf struct {
	host, team string
	token      secret.String
}

func (rt *Route) listOf() listOf { return listOf{rt.Host, rt.Workspace, rt.SlackApp.BotToken} }

// groupList is the listing of one route's usergroups.
type groupList struct {
	mu     sync.Mutex
	groups map[string][]usergroup // by user id
	failed bool                   // Slack will not tell: no paid plan, or no scope
	asked  int64                  // Unix ms by the store's clock, when Slack was asked for it
	read   time.Time              // by our clock, when it was read; at first, when we began
	next   time.Time              // not asked for before
	old    bool                   // people's rows are older than it
	// void: Slack says that it has changed. An event, which must be answered soon,
	// does not wait for a listing that has mu.
	void atomic.Bool
}

// membership is what a listing says of one person.
type membership struct {
	groups []usergroup // nil: unknown
	keep   bool        // Slack cannot be asked now: what was known holds
}

func (m membership) describe(f *facts) {
	if !m.keep {
		f.groups = m.groups
	}
}

func newGroupLists(p *people) *groupLists {
	return &groupLists{people: p, lists: make(map[listOf]*groupList)}
}

// keep forgets the listings of other routes than these.
func (g *groupLists) keep(routes table) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for of := range g.lists {
		if rt := routes[of.host]; rt == nil || rt.listOf() != of {
			delete(g.lists, of)
		}
	}
}

func (g *groupLists) list(rt *Route) *groupList {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lists[rt.listOf()]
	if l == nil {
		l = &groupList{read: g.now()}
		g.lists[rt.listOf()] = l
	}
	return l
}

// asksGroups reports whether it matters who is in which usergroup, and can be
// asked.
func (rt *Route) asksGroups() bool { return rt.SlackApp.BotToken != "" && rt.Policy.AsksUsergroups() }

// of tells a person's usergroups. The error is one of the store.
func (g *groupLists) of(ctx context.Context, rt *Route, user string) (membership, error) {
	if !rt.asksGroups() {
		return membership{}, nil
	}
	changed, err := g.changedAt(ctx, rt)
	if err != nil {
		return membership{}, errStore.because(err)
	}
	l := g.list(rt)
	l.mu.Lock()
	defer l.mu.Unlock()
	g.freshen(ctx, rt, l, changed)
	switch {
	case l.groups != nil && l.asked > changed:
		groups := l.groups[user]
		if groups == nil {
			groups = []usergroup{}
		}
		return membership{groups: groups}, nil
	case l.failed, g.now().Sub(l.read) > rt.conf.times.MaxStale:
		return membership{}, nil // no guess
	}
	// Who was taken out of a group since has lost it already (see events).
	return membership{keep: true}, nil
}

// freshen lists anew what is too old; a failure leaves what there is.
func (g *groupLists) freshen(ctx context.Context, rt *Route, l *groupList, changed int64) {
	now := g.now()
	if now.Before(l.next) || l.groups != nil && l.asked > changed && now.Sub(l.read) < groupsEvery {
		return
	}
	l.next = now.Add(groupsPause)
	asked, err := g.store.Now(ctx)
	if err != nil {
		return // the next write says so
	}
	listed, err := g.askAll(ctx, rt)
	if err != nil {
		g.failedToList(rt, l, err)
		return
	}
	l.groups, l.failed, l.asked, l.read, l.old = listed, false, asked.UnixMilli(), now, true
	g.alarms.clear(rt, "usergroups")
}

func (g *groupLists) failedToList(rt *Route, l *groupList, err error) {
	t := troubleOf(err)
	l.next = g.now().Add(max(groupsAgain, t.wait))
	switch {
	case t.reason == "plan_upgrade_required", t.setup:
		l.groups, l.failed = nil, true
		l.next = g.now().Add(groupsEvery)
	case g.now().Sub(l.read) > rt.conf.times.MaxStale:
		l.groups = nil
	default:
		return // it passes
	}
	g.alarms.raise(rt, "usergroups", t.reason)
}

// askAll is usergroups.list, turned around. Groups that another company shares are
// left out: their handles are not the workspace's to give.
func (g *groupLists) askAll(ctx context.Context, rt *Route) (map[string][]usergroup, error) {
	ctx, cancel := context.WithTimeout(ctx, slackTimeout)
	defer cancel()
	var list []slack.UserGroup
	err := g.calls.Do(ctx, "usergroups.list", slackapi.Affirmed("usergroups", func(ctx context.Context) (err error) {
		list, err = slackapi.New(rt.SlackApp.BotToken, rt.conf.apiURL, g.carrier).GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeUsers(true))
		return err
	}))
	if err != nil {
		return nil, err
	}
	of := make(map[string][]usergroup)
	for _, group := range list {
		if group.IsExternal || group.DateDelete != 0 || !plausibleID(group.ID) || !plausibleHandle(group.Handle) {
			continue
		}
		for _, user := range group.Users {
			of[user] = append(of[user], usergroup{group.ID, group.Handle})
		}
	}
	for _, groups := range of {
		sortGroups(groups)
	}
	return of, nil
}

// changedAt is when Slack last said that groups have changed, to whichever
// replica.
func (g *groupLists) changedAt(ctx context.Context, rt *Route) (int64, error) {
	var at int64
	err := g.store.Read().QueryRowContext(ctx, `SELECT groups_at FROM upkeep WHERE route = $1`, rt.Host).Scan(&at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("ask when usergroups changed: %w", err)
	}
	return at, nil
}

// void makes every replica's listing count for nothing.
func (g *groupLists) void(ctx context.Context, rt *Route) error {
	err := g.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now, err := g.store.NowTx(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO upkeep (route, groups_at) VALUES ($1, $2)
			ON CONFLICT (route) DO UPDATE SET groups_at = excluded.groups_at`, rt.Host, now.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("write down that usergroups changed: %w", err)
	}
	g.list(rt).void.Store(true)
	return nil
}

// isOld reports whether people's rows are older than the listing, or than what
// Slack last said of groups.
func (g *groupLists) isOld(rt *Route) bool {
	l := g.list(rt)
	if !l.mu.TryLock() {
		return false // it is being read just now: the next time will tell
	}
	defer l.mu.Unlock()
	return l.old || l.void.Load()
}

// spread brings people's rows up to a listing that is newer than they are.
func (g *groupLists) spread(ctx context.Context, rt *Route) error {
	l := g.list(rt)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.old = l.void.Swap(false) || l.old // what is said from here on is for the next time
	changed, err := g.changedAt(ctx, rt)
	if err != nil {
		return err
	}
	g.freshen(ctx, rt, l, changed)
	if l.groups == nil || l.asked <= changed {
		return nil // not now; it stays old
	}
	var reports []report
	for _, key := range g.directory.those(rt, func(f *facts) bool { return !f.deactivated }) {
		now := membership{groups: append([]usergroup{}, l.groups[key.user]...)}
		if f := g.directory.slot(key).facts.Load(); !f.after(now.describe).equal(f) {
			reports = append(reports, report{key: key, asked: l.asked, partial: true, change: now.describe})
		}
	}
	if err := g.writeMany(ctx, rt, reports); err != nil {
		return err
	}
	l.old = false
	return nil
}
