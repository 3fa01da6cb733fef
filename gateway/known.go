package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/cocoom/cocoom-gateway/policy"
)

// ErrUnknownPerson is that of who has never signed in to a route.
var ErrUnknownPerson = errors.New("nobody of that name has signed in there")

// KnownPerson is what is known of somebody who has signed in to a route.
type KnownPerson struct {
	policy.Identity // by which their requests would be decided now
	// Refused is the code of what keeps them out at sign-in already, as in
	// problems and logs: "deactivated", "guest" or "email_changed". Empty: nothing.
	Refused string
}

// Person gives what is known of a person of a route, by Slack user id or by
// e-mail address. ErrUnknownPerson is in the error's chain for who has never
// signed in there.
func (g *Gateway) Person(ctx context.Context, host, emailOrID string) (KnownPerson, error) {
	rt, p, err := g.known(ctx, host, emailOrID)
	if err != nil {
		return KnownPerson{}, fmt.Errorf("find person: %w", err)
	}
	k := KnownPerson{Identity: p.identity(p.key.team, p.key.user)}
	if no := p.refusal(rt); no != nil {
		k.Refused = no.code
	}
	return k, nil
}

// AcceptEmail lets somebody back in whose address has changed where it is
// pinned: the address that Slack says now is pinned from here on. actor is who
// decided so, for the audit. ErrUnknownPerson is in the error's chain for who
// has never signed in there.
func (g *Gateway) AcceptEmail(ctx context.Context, host, emailOrID, actor string) error {
	rt, who, err := g.known(ctx, host, emailOrID)
	if err != nil {
		return fmt.Errorf("accept e-mail address: %w", err)
	}
	var from, to string
	r := report{key: who.key, asked: anyAge, partial: true, change: func(f *facts) {
		from, to = f.firstEmail, f.email
		f.firstEmail = f.email
	}}
	r.act = func() auditEntry {
		return auditEntry{actor, "people.email_accepted", rt.Host + " " + who.key.team + "/" + who.key.user, from + " → " + to}
	}
	if _, err = g.people.write(ctx, rt, r); err != nil {
		return fmt.Errorf("accept e-mail address: %w", err)
	}
	return nil
}

// known finds a person and their route.
func (g *Gateway) known(ctx context.Context, host, emailOrID string) (*Route, *personRow, error) {
	rt := g.routes().find(host)
	if rt == nil || rt.Login == nil {
		return nil, nil, ErrUnknownPerson
	}
	p, err := g.people.directory.find(ctx, rt, emailOrID)
	if err == nil && p == nil {
		err = ErrUnknownPerson
	}
	return rt, p, err
}
