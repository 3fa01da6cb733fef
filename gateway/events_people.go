package gateway

import (
	"context"
	"slices"
	"time"

	"github.com/slack-go/slack"
)

// lateEvent is by how much an event may be older than the last answer of
// Slack's and still say something new: clocks differ.
const lateEvent = time.Minute

type userChange struct {
	User slack.User `json:"user"`
}

// userChanged takes over what an event says of a person, and has Slack asked
// whether it is all: events may come late and out of order. Most are about a
// picture or a status, and change nothing here.
func (e *events) userChanged(ctx context.Context, rt *Route, u *slack.User, at time.Time) error {
	if !plausibleID(u.ID) {
		return nil
	}
	e.changed(rt.Host, u.ID)
	if rt.Login == nil {
		return nil
	}
	who, err := e.directory.find(ctx, rt, u.ID)
	if err != nil || who == nil || at.Add(lateEvent).UnixMilli() < who.checked {
		return err
	}
	r := report{key: who.key, asked: anyAge, change: func(f *facts) { describeUser(f, u) }, soon: true}
	if !belongs(rt, u) {
		r.partial, r.change = true, unchanged // as another workspace has them: ask
	} else if after := who.facts.after(r.change); after.equal(&who.facts) {
		return nil
	}
	_, err = e.write(ctx, rt, r)
	return err
}

func unchanged(*facts) {}

// after gives what change makes of f.
func (f facts) after(change func(*facts)) *facts {
	change(&f)
	return &f
}

// tokensRevoked holds user ids, not tokens.
type tokensRevoked struct {
	Tokens struct {
		OAuth []string `json:"oauth"`
		Bot   []string `json:"bot"`
	} `json:"tokens"`
}

// tokensRevoked lets people sign in again whose own token was all that told us
// of them, and has Slack asked about the others. That the bot's is gone shows
// when it is used next; nobody is shut out for it before the bound of staleness.
func (e *events) tokensRevoked(ctx context.Context, rt *Route, t *tokensRevoked) error {
	if len(t.Tokens.Bot) > 0 {
		e.alarms.raise(rt, "bot_revoked", "tokens_revoked")
	}
	var reports []report
	for _, user := range t.Tokens.OAuth[:min(len(t.Tokens.OAuth), reportsAtOnce)] {
		if rt.Login == nil || !plausibleID(user) {
			continue
		}
		who, err := e.directory.find(ctx, rt, user)
		if err != nil {
			return err
		}
		if who == nil {
			continue
		}
		r := report{key: who.key, asked: anyAge, partial: true, change: unchanged, soon: true}
		if who.token != "" {
			r = forgetToken(r)
			r.over = true
		}
		reports = append(reports, r)
	}
	_, err := e.write(ctx, rt, reports...)
	return err
}

type membersChanged struct {
	Group   string   `json:"subteam_id"`
	Removed []string `json:"removed_users"`
}

// membersChanged takes the group from who has left it, at once; who has joined
// is found by listing anew.
func (e *events) membersChanged(ctx context.Context, rt *Route, c *membersChanged) error {
	return e.regroup(ctx, rt, c.Group, func(key personKey, f *facts) {
		if slices.Contains(c.Removed, key.user) {
			f.groups = without(f.groups, c.Group)
		}
	})
}

type groupChanged struct {
	Group struct {
		ID      string `json:"id"`
		Handle  string `json:"handle"`
		Deleted int64  `json:"date_delete"` // 0: it is not disabled
	} `json:"subteam"`
}

// groupChanged takes away a group that was disabled, and the handle of one that
// has another now.
func (e *events) groupChanged(ctx context.Context, rt *Route, c *groupChanged) error {
	g := usergroup{c.Group.ID, c.Group.Handle}
	return e.regroup(ctx, rt, g.id, func(_ personKey, f *facts) {
		if slices.Contains(f.groups, g) && c.Group.Deleted == 0 {
			return
		}
		if f.groups = without(f.groups, g.id); c.Group.Deleted == 0 && plausibleHandle(g.handle) {
			f.groups = append(f.groups, g)
			sortGroups(f.groups)
		}
	})
}

// regroup applies change to everybody who is known to be in a group, and makes
// all listings count for nothing.
func (e *events) regroup(ctx context.Context, rt *Route, group string, change func(personKey, *facts)) error {
	if rt.Login == nil || !rt.asksGroups() || !plausibleID(group) {
		return nil
	}
	members, err := e.directory.inGroup(ctx, rt, group)
	if err != nil {
		return err
	}
	var reports []report
	for _, who := range members {
		r := report{key: who.key, asked: anyAge, partial: true, change: func(f *facts) { change(who.key, f) }}
		if !who.facts.after(r.change).equal(&who.facts) {
			reports = append(reports, r)
		}
	}
	if err := e.writeMany(ctx, rt, reports); err != nil {
		return err
	}
	return e.groupsVoid(ctx, rt)
}

func (e *events) groupsVoid(ctx context.Context, rt *Route) error {
	if rt.Login == nil || !rt.asksGroups() {
		return nil
	}
	return e.groups.void(ctx, rt)
}

// without gives groups less one; unknown stays unknown.
func without(groups []usergroup, id string) []usergroup {
	if groups == nil {
		return nil
	}
	rest := make([]usergroup, 0, len(groups))
	for _, g := range groups {
		if g.id != id {
			rest = append(rest, g)
		}
	}
	return rest
}
