package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/policy"
)

// people knows what the ID token does not say: whether somebody is a guest, an
// admin or deactivated, and in which usergroups. It asks Slack, with a route's
// bot token or else the person's own, keeps the answers in the directory, and
// keeps them fresh.
type people struct {
	conf      *inForce
	directory *directory
	groups    *groupLists
	alarms    *alarms
	revoked   *revocations
	sealer    *Sealer
	store     *store.Store
	log       *slog.Logger
	now       func() time.Time
	rechecks  rechecks
	calls     *slackapi.Calls
	carrier   http.RoundTripper // of calls to Slack
}

// newPeople builds what Config and the parts of a Gateway give, and reads the
// directory.
func newPeople(ctx context.Context, cfg Config, conf *inForce, revoked *revocations) (*people, error) {
	p := &people{
		conf: conf, directory: newDirectory(cfg.Store, cfg.Now),
		alarms: newAlarms(cfg.Log, cfg.Now), revoked: revoked, sealer: cfg.Sealer, store: cfg.Store, log: cfg.Log, now: cfg.Now,
		rechecks: newRechecks(), carrier: slackapi.Transport(),
	}
	p.groups = newGroupLists(p)
	if err := p.directory.refresh(ctx); err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	return p, nil
}

// arrive fills in what the ID token does not say of somebody who signs in, and
// writes it down. It refuses who is deactivated, guests where the route does,
// and a changed address where the route pins it. Without a bot token (then the
// route lets guests in, as its configuration had to say) it keeps the person's
// own token, to notice when they are deactivated.
func (p *people) arrive(ctx context.Context, rt *Route, id *policy.Identity, token keptToken) error {
	asked, err := p.store.Now(ctx)
	if err != nil {
		return errStore.because(err)
	}
	key := personKey{rt.Host, id.Team, id.User}
	r := report{key: key, asked: asked.UnixMilli(), arrival: true}
	r.change, err = p.describe(ctx, rt, id)
	if err != nil {
		return err
	}
	sealed := ""
	if rt.SlackApp.BotToken == "" {
		if sealed, err = p.sealToken(key, token); err != nil {
			return err
		}
	}
	r.token = &sealed
	outcome, err := p.write(ctx, rt, r)
	if err != nil {
		return errStore.because(err)
	}
	now := outcome[0]
	if no := now.refusal(rt); no != nil {
		return no.about(maskEmail(now.firstEmail))
	}
	*id = now.identity(id.Team, id.User)
	return nil
}

// describe asks Slack about somebody whose ID token says id, and gives what
// that makes of the facts.
func (p *people) describe(ctx context.Context, rt *Route, id *policy.Identity) (func(*facts), error) {
	said := func(f *facts) { f.email, f.name = id.Email, id.Name }
	if rt.SlackApp.BotToken == "" {
		return func(f *facts) { *f = facts{firstEmail: f.firstEmail}; said(f) }, nil
	}
	user, err := p.ask(ctx, rt, id.User)
	if err != nil {
		return nil, infoError(err)
	}
	// Slack Connect shows people of other workspaces too.
	if !belongs(rt, user) {
		return nil, errWorkspace.because(fmt.Errorf("users.info says team %s", clip(user.TeamID, 40)))
	}
	groups, err := p.groups.of(ctx, rt, user.ID)
	if err != nil {
		return nil, err
	}
	return func(f *facts) {
		describeUser(f, user)
		said(f) // the ID token's address is verified
		groups.describe(f)
	}, nil
}

var errOtherPerson = errors.New("users.info is about somebody else")

// ask is users.info.
func (p *people) ask(ctx context.Context, rt *Route, user string) (*slack.User, error) {
	ctx, cancel := context.WithTimeout(ctx, slackTimeout)
	defer cancel()
	var u *slack.User
	err := p.calls.Do(ctx, "users.info", func(ctx context.Context) (err error) {
		u, err = slackapi.New(rt.SlackApp.BotToken, rt.conf.apiURL, p.carrier).GetUserInfoContext(ctx, user)
		return err
	})
	if err != nil {
		return nil, err
	}
	// slack-go gives no error for {"ok":false} without an error string.
	if u.ID != user {
		return nil, errOtherPerson
	}
	return u, nil
}

// belongs reports whether a person is one of the route's workspace.
func belongs(rt *Route, u *slack.User) bool {
	return u.TeamID == "" || u.TeamID == rt.Workspace || slices.Contains(u.Enterprise.Teams, rt.Workspace)
}

// describeUser takes over what Slack says of a person by a bot token.
func describeUser(f *facts, u *slack.User) {
	// All else is missing from what Slack says of who is deactivated.
	if f.deactivated = u.Deleted; u.Deleted {
		return
	}
	f.guest = u.IsRestricted || u.IsUltraRestricted
	f.admin = u.IsAdmin || u.IsOwner || u.IsPrimaryOwner
	// Without the scope users:read.email there is none; an unconfirmed one is
	// what anybody may claim.
	if plausibleEmail(u.Profile.Email) && u.IsEmailConfirmed {
		f.email = strings.ToValidUTF8(u.Profile.Email, "")
	}
	for _, name := range [...]string{u.Profile.RealName, u.RealName} {
		if name = plainName(name); name != "" {
			f.name = name
			return
		}
	}
}
