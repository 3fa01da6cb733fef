package gateway

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

const (
	// askEvery is how often Slack is asked about each person with a session.
	askEvery = 15 * time.Minute
	// anyAge is the asked of what Slack tells by itself.
	anyAge = -1
)

// report is what Slack has said about one person.
type report struct {
	key personKey
	// asked is when Slack was asked, in Unix ms of the store's clock: what was
	// written since then is newer than the answer. anyAge for an event.
	asked int64
	// arrival is a sign-in: it may make the row.
	arrival bool
	// partial leaves open when the person was last checked: it tells of
	// something else than users.info does.
	partial bool
	change  func(*facts)
	// token replaces the kept one, sealed; nil leaves it.
	token *string
	// over ends the person's sessions although nothing stands against them:
	// they have to sign in again.
	over bool
	// soon has Slack asked again at once.
	soon bool
	// act is what to write to the audit, once change was applied; nil: nothing.
	act func() auditEntry
}

// apply changes f; the first address there is is the one that may be pinned.
func (r report) apply(f *facts) {
	if r.change(f); f.firstEmail == "" {
		f.firstEmail = f.email
	}
}

// told is the outcome of one report.
type told struct {
	*personRow       // as the row is now; nil: nobody of that name has ever signed in
	before     facts // as it was
	ended      bool  // sessions were ended
}

// write keeps what Slack has said, durably and at once for this process, and
// ends the sessions of whom it shuts out. All reports are of one route. Where
// the row is newer than a report's answer, the row holds, and Slack is asked
// again.
func (p *people) write(ctx context.Context, rt *Route, reports ...report) ([]told, error) {
	if len(reports) == 0 {
		return nil, nil
	}
	var outcome []told
	err := p.store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		outcome = make([]told, 0, len(reports))
		dbNow, err := p.store.NowTx(ctx, tx)
		if err != nil {
			return err
		}
		for _, r := range reports {
			t, err := p.writeOne(ctx, tx, rt, r, dbNow.UnixMilli())
			if err != nil {
				return err
			}
			outcome = append(outcome, t)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("write down what Slack says of people: %w", err)
	}
	ended := false
	for _, t := range outcome {
		if t.personRow == nil {
			continue
		}
		if t.version > 0 {
			p.directory.take(t.personRow)
		}
		ended = ended || t.ended
		p.tell(rt, t)
	}
	if ended {
		if err := p.revoked.refresh(ctx); err != nil {
			return nil, fmt.Errorf("read revocations: %w", err)
		}
	}
	return outcome, nil
}

// writeMany is write for any number, a transaction for each reportsAtOnce.
func (p *people) writeMany(ctx context.Context, rt *Route, reports []report) error {
	for some := range slices.Chunk(reports, reportsAtOnce) {
		if _, err := p.write(ctx, rt, some...); err != nil {
			return err
		}
	}
	return nil
}

func (p *people) writeOne(ctx context.Context, tx *sql.Tx, rt *Route, r report, dbNow int64) (told, error) {
	row, err := lockPerson(ctx, tx, r.key)
	if err != nil {
		return told{}, err
	}
	if row == nil {
		f := facts{}
		r.apply(&f)
		if !r.arrival || f.refusal(rt) != nil {
			return told{personRow: p.stranger(r, f)}, nil // of strangers who are not let in, nothing is kept
		}
		if row, err = addPerson(ctx, tx, r.key); err != nil {
			return told{}, err
		}
	}
	t := told{personRow: row, before: row.facts}
	now := p.now().UnixMilli()
	ask := sql.NullInt64{Int64: now + askEvery.Milliseconds(), Valid: true}
	if r.asked != anyAge && row.version >= r.asked {
		r.soon = true
	} else {
		r.apply(&row.facts)
		if !r.partial {
			row.checked = max(now, row.checked+1) // grows, whatever the replicas' clocks say
		}
	}
	if r.token != nil {
		row.token = *r.token
	}
	if r.soon {
		ask.Int64 = now
	}
	if row.refusal(rt) != nil || r.over {
		ask, t.ended = notAsked, true
		if _, _, err := endSessions(ctx, tx, row.sessions(), time.UnixMilli(now), time.UnixMilli(now).Add(maxLifetime)); err != nil {
			return told{}, err
		}
	}
	if err := p.auditEmail(ctx, tx, t, now); err != nil {
		return told{}, err
	}
	if r.act != nil {
		if err := audit(ctx, tx, time.UnixMilli(now), r.act()); err != nil {
			return told{}, err
		}
	}
	row.version = max(dbNow, row.version+1)
	return t, row.save(ctx, tx, ask)
}

// stranger is who would have been written down at sign-in but is not let in;
// nil for anybody else without a row. It has no version, as it has no row.
func (p *people) stranger(r report, f facts) *personRow {
	if !r.arrival {
		return nil
	}
	return &personRow{key: r.key, facts: f}
}

// auditEmail keeps that a known person's address has changed.
func (p *people) auditEmail(ctx context.Context, tx *sql.Tx, t told, now int64) error {
	if t.before.email == "" || sameEmail(t.before.email, t.email) {
		return nil
	}
	return audit(ctx, tx, time.UnixMilli(now), auditEntry{"slack", "people.email_changed", t.key.route + " " + t.key.team + "/" + t.key.user, t.before.email + " → " + t.email})
}

// tell logs what operators look for when somebody says that they were let in,
// or not.
func (p *people) tell(rt *Route, t told) {
	who := []any{"route", rt.Host, "team", t.key.team, "user", t.key.user}
	if t.before.email != "" && !sameEmail(t.before.email, t.email) {
		p.log.Warn("a person's e-mail address has changed", append(who, "pinned", rt.Login.PinEmail)...)
	}
	if no := t.refusal(rt); no != nil && t.before.refusal(rt) == nil && t.version > 0 {
		p.log.Info("a person is shut out", append(who, "because", no.code)...)
	}
}
