package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/policy"
)

const (
	// MaxBreakGlass bounds the session that a break-glass link begins.
	MaxBreakGlass = 4 * time.Hour
	minBreakGlass = time.Minute
	// breakGlassLife is how long the link itself waits to be used.
	breakGlassLife = time.Hour
)

// BreakGlass is what an operator asks for when somebody must get in although
// Slack cannot say who they are.
type BreakGlass struct {
	Host  string        // of a route with login
	Email string        // whom the operator vouches for
	User  string        // their Slack user id; empty: that of whom the gateway knows by the address, else one made of it
	Name  string        // for pages and the app; may be empty
	For   time.Duration // how long the session lasts, from the link's use; at most MaxBreakGlass
	By    string        // who asks, for the audit
}

// BreakGlassLink is the answer to it.
type BreakGlassLink struct {
	URL     secret.String // good once; shown to nobody but its person
	Expires time.Time     // until when the link can be used
	User    string        // the user id that the session will have
}

// ErrBreakGlass is wrapped by what is wrong with a BreakGlass itself, as
// opposed to a store that fails; its text is for the operator.
var ErrBreakGlass = errors.New("no break-glass link")

// breakGlassDetail is the detail of a row in the table link, as JSON.
type breakGlassDetail struct {
	Email   string `json:"email"`
	User    string `json:"user"`
	Name    string `json:"name,omitempty"`
	Seconds int64  `json:"seconds"` // how long the session lasts
}

// MakeBreakGlass makes a link by which one person signs in to one route once,
// without Slack. Only the hash of its key is kept.
func (g *Gateway) MakeBreakGlass(ctx context.Context, b BreakGlass) (BreakGlassLink, error) {
	rt := g.routes().find(b.Host)
	d := breakGlassDetail{Email: b.Email, User: b.User, Name: plainName(b.Name), Seconds: int64(b.For.Seconds())}
	switch {
	case rt == nil:
		return BreakGlassLink{}, fmt.Errorf("%w: no route has the host %q", ErrBreakGlass, clip(b.Host, 100))
	case rt.Login == nil:
		return BreakGlassLink{}, fmt.Errorf("%w: the route %s has no login", ErrBreakGlass, rt.Host)
	case !rt.connected():
		return BreakGlassLink{}, fmt.Errorf("%w: the Slack app of %s is not set up yet, so that it has no workspace whose people may come in", ErrBreakGlass, rt.Host)
	case !plausibleEmail(b.Email):
		return BreakGlassLink{}, fmt.Errorf("%w: %q is no e-mail address", ErrBreakGlass, clip(b.Email, 100))
	case d.User != "" && !plausibleID(d.User):
		return BreakGlassLink{}, fmt.Errorf("%w: %q is no user id", ErrBreakGlass, clip(d.User, 100))
	case b.For < minBreakGlass || b.For > MaxBreakGlass:
		return BreakGlassLink{}, fmt.Errorf("%w: the session must last between %s and %s", ErrBreakGlass, minBreakGlass, MaxBreakGlass)
	}
	if d.User == "" {
		if err := g.recognise(ctx, rt, &d); err != nil {
			return BreakGlassLink{}, err
		}
	}
	detail, err := json.Marshal(d)
	if err != nil {
		return BreakGlassLink{}, fmt.Errorf("marshal break-glass link: %w", err)
	}
	key, now := randomText(32), g.cfg.Now()
	by := plainName(b.By)
	expires := now.Add(breakGlassLife)
	err = g.cfg.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO link (id, kind, route, detail, created_by, created_at, expires_at) VALUES ($1, 'break_glass', $2, $3, $4, $5, $6)`,
			linkID(key), rt.Host, string(detail), by, now.UnixMilli(), expires.UnixMilli())
		if err != nil {
			return err
		}
		return audit(ctx, tx, now, auditEntry{by, "break_glass.made", rt.Host, string(detail)})
	})
	if err != nil {
		return BreakGlassLink{}, fmt.Errorf("keep break-glass link: %w", err)
	}
	g.cfg.Log.Warn("break-glass link made", "route", rt.Host, "email", d.Email, "user", d.User, "lasts", b.For.String(), "by", by)
	return BreakGlassLink{secret.String(rt.Origin + g.cfg.Prefix + "/break-glass?key=" + key), expires, d.User}, nil
}

// recognise fills in who the address belongs to, as far as the gateway knows.
// The address of somebody whom Slack has shut out, or who has just taken it
// over from another, gives no link.
func (g *Gateway) recognise(ctx context.Context, rt *Route, d *breakGlassDetail) error {
	known, err := g.Person(ctx, rt.Host, d.Email)
	switch {
	case errors.Is(err, ErrUnknownPerson):
		d.User = emergencyID(d.Email)
	case err != nil:
		return err
	case known.Refused != "":
		return fmt.Errorf("%w: %s is %s, who would be refused at sign-in (%s); to vouch for them all the same, say their user id", ErrBreakGlass, d.Email, known.User, known.Refused)
	default:
		d.User, d.Name = known.User, cmp.Or(d.Name, known.Name)
	}
	return nil
}

// emergencyPrefix begins the ids that emergencyID makes.
const emergencyPrefix = "break-glass:"

// emergencyID is the user id of a person whose Slack id nobody knows: always
// the same for the same address, and never one that Slack gives.
func emergencyID(email string) string {
	email = strings.ToLower(email)
	if id := emergencyPrefix + email; plausibleID(id) {
		return id
	}
	sum := sha256.Sum256([]byte(email))
	return emergencyPrefix + base64.RawURLEncoding.EncodeToString(sum[:12])
}

// linkID names a link where its key must not stand.
func linkID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// breakGlass is where such a link leads. GET only shows whom it is for, so that
// the preview a chat makes of the link does not use it up; the button's POST
// uses it.
func (g *Gateway) breakGlass(x *exchange, c echo.Context) error {
	r, rt := c.Request(), x.route
	if r.Method == http.MethodPost && !rt.ownOrigin(r) {
		return rt.foreign(r)
	}
	key := c.QueryParam("key")
	leave, no := g.mayLookUp(x)
	if no != nil {
		return no
	}
	d, err := g.openLink(r.Context(), rt, key)
	leave()
	if errors.Is(err, sql.ErrNoRows) {
		return g.failed(x, countLinks, linkBudget, errLinkSpent)
	}
	if err != nil {
		return errStore.because(fmt.Errorf("read break-glass link: %w", err))
	}
	ss := g.sessions.beginGlass(rt, d)
	if r.Method == http.MethodPost {
		return g.useLink(x, c, key, ss)
	}
	l := lang(r)
	t := textFor(l, "break_glass", rt)
	facts := []fact{{labels[l]["name"], d.Name}, {labels[l]["email"], d.Email}, {labels[l]["site"], rt.Host},
		{labels[l]["until"], moment(ss.ends, l)}}
	if d.Name == "" {
		facts = facts[1:]
	}
	// The address holds the key: as a referrer only the origin may go on from
	// here. With no-referrer, the button's Origin would be "null".
	x.referrer = "strict-origin"
	return x.show(r, http.StatusOK, page{Title: t.Title, Text: t.Text, Facts: facts,
		Post: g.cfg.Prefix + "/break-glass?key=" + url.QueryEscape(key), PostLabel: labels[l]["sign_in"]})
}

// openLink reads what a link that can still be used is for; sql.ErrNoRows says
// that there is none.
func (g *Gateway) openLink(ctx context.Context, rt *Route, key string) (d breakGlassDetail, err error) {
	if len(key) != linkKey {
		return d, sql.ErrNoRows
	}
	var detail string
	err = g.cfg.Store.Read().QueryRowContext(ctx, `SELECT detail FROM link
		WHERE id = $1 AND kind = 'break_glass' AND route = $2 AND used_at IS NULL AND expires_at > $3`,
		linkID(key), rt.Host, g.cfg.Now().UnixMilli()).Scan(&detail)
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal([]byte(detail), &d)
}

// useLink spends the link and begins its session, both or neither.
func (g *Gateway) useLink(x *exchange, c echo.Context, key string, ss *session) error {
	r, rt, now := c.Request(), x.route, g.cfg.Now()
	if err := g.sessions.endHeld(rt, r); err != nil {
		return errStore.because(err)
	}
	spent := false
	err := g.cfg.Store.Write(r.Context(), func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `UPDATE link SET used_at = $1
			WHERE id = $2 AND kind = 'break_glass' AND route = $3 AND used_at IS NULL AND expires_at > $1`, now.UnixMilli(), linkID(key), rt.Host)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if spent = n == 0; err != nil || spent {
			return err
		}
		if err := insertSession(rt, ss, r.UserAgent(), x.client.String())(ctx, tx); err != nil {
			return err
		}
		return audit(ctx, tx, now, auditEntry{ss.identity.Email, "break_glass.used", rt.Host, "from " + x.client.String() + " as " + ss.identity.User})
	})
	switch {
	case err != nil:
		return errStore.because(fmt.Errorf("use break-glass link: %w", err))
	case spent:
		return errLinkSpent
	}
	if err := g.sessions.write(x, rt, ss); err != nil {
		return err
	}
	clearPendingCookies(x, r, rt)
	x.session = ss
	rt.signedIn("break_glass")
	g.cfg.Log.Warn("break-glass link used", "route", rt.Host, "email", ss.identity.Email, "user", ss.identity.User,
		"client", x.client.String(), "until", ss.ends, "request_id", x.id)
	return x.redirect(c, http.StatusSeeOther, rt.Origin+"/")
}

// beginGlass makes the session of a break-glass link: one that ends after its
// own time, and never later than any other would.
func (s *sessions) beginGlass(rt *Route, d breakGlassDetail) *session {
	ss := s.begin(rt, policy.Identity{Team: rt.Workspace, User: d.User, Email: d.Email, Name: d.Name})
	ss.glass = true
	ss.ends = ss.begun.Add(min(time.Duration(d.Seconds)*time.Second, rt.conf.times.Lifetime))
	return ss
}

// withdrawLinks makes the links useless that would begin such sessions as are
// being ended: one that has got into the wrong hands, above all.
func withdrawLinks(ctx context.Context, tx *sql.Tx, of whose, now time.Time) error {
	rows, err := tx.QueryContext(ctx, `SELECT id, route, detail FROM link WHERE kind = 'break_glass' AND used_at IS NULL AND expires_at > $1`, now.UnixMilli())
	if err != nil {
		return err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id, route, detail string
		var d breakGlassDetail
		if err := rows.Scan(&id, &route, &detail); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(detail), &d); err != nil {
			return err
		}
		if of.wouldBegin(route, d) {
			ids = append(ids, id)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := tx.ExecContext(ctx, `UPDATE link SET used_at = $2 WHERE id = $1`, id, now.UnixMilli()); err != nil {
			return err
		}
	}
	return nil
}

// wouldBegin reports whether a link's session would be among those that o names.
func (o whose) wouldBegin(route string, d breakGlassDetail) bool {
	return o != (whose{}) && o.session == (sessionID{}) &&
		(o.route == "" || o.route == route) &&
		(o.user == "" || o.user == d.User) &&
		(o.person == "" || o.person == d.User || sameEmail(o.person, d.Email))
}
