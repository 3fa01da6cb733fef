package gateway

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// How a setup link ended, in its detail; a link that has only expired has none
// of these.
const (
	endFinished = "finished"
	endRevoked  = "revoked"
	endReplaced = "replaced"
)

// setupLink is a row of the table link, of kind setup. It is used by one browser
// at a time, which holds a secret whose hash is in the detail.
type setupLink struct {
	id               string
	by               string
	created, expires time.Time
	used             bool
	detail           setupDetail
}

// setupDetail is the detail of such a row, as JSON.
type setupDetail struct {
	Bound   string `json:"bound,omitempty"`   // hash of the browser's secret; empty: nobody has begun
	Typed   string `json:"typed,omitempty"`   // managedSecrets that wait for the installation, sealed
	Checked bool   `json:"checked,omitempty"` // Slack has taken what was typed
	Message string `json:"message,omitempty"` // id of the test message
	End     string `json:"end,omitempty"`     // how it ended; see endFinished
}

// state is open, expired, or how the link ended.
func (l *setupLink) state(now time.Time) string {
	switch {
	case l.detail.End != "":
		return l.detail.End
	case l.used || !now.Before(l.expires):
		return "expired"
	}
	return "open"
}

// heldBy reports whether a browser with that secret is the one that uses the link.
func (l *setupLink) heldBy(browser string) bool {
	return browser != "" && l.detail.Bound != "" && subtle.ConstantTimeCompare([]byte(bindHash(browser)), []byte(l.detail.Bound)) == 1
}

// refusal is why the link cannot be used any more; nil if it can.
func (l *setupLink) refusal(now time.Time) *refusal {
	switch l.state(now) {
	case "open":
		return nil
	case endFinished:
		return errSetupFinished
	case endRevoked:
		return errSetupRevoked
	case endReplaced:
		return errSetupReplaced
	}
	return errSetupExpired
}

const setupColumns = `id, created_by, created_at, expires_at, used_at, detail`

func scanSetupLink(row interface{ Scan(...any) error }) (*setupLink, error) {
	var l setupLink
	var detail string
	var created, expires int64
	var used sql.NullInt64
	if err := row.Scan(&l.id, &l.by, &created, &expires, &used, &detail); err != nil {
		return nil, err
	}
	l.created, l.expires, l.used = time.UnixMilli(created), time.UnixMilli(expires), used.Valid
	return &l, json.Unmarshal([]byte(detail), &l.detail)
}

// findSetupLink reads a link of the route; nil if there is none.
func (g *Gateway) findSetupLink(ctx context.Context, rt *Route, id string) (*setupLink, error) {
	l, err := scanSetupLink(g.cfg.Store.Read().QueryRowContext(ctx, `SELECT `+setupColumns+` FROM link WHERE id = $1 AND kind = 'setup' AND route = $2`, id, rt.Host))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return l, err
}

// lastSetupLink reads the one that was made last; nil if there is none.
func (g *Gateway) lastSetupLink(ctx context.Context, host string) (*setupLink, error) {
	l, err := scanSetupLink(g.cfg.Store.Read().QueryRowContext(ctx, `SELECT `+setupColumns+` FROM link WHERE kind = 'setup' AND route = $1 ORDER BY created_at DESC LIMIT 1`, host))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read setup link: %w", err)
	}
	return l, nil
}

// endSetupLinks ends the links of a route that could still be used. What was typed
// in them and not installed goes with them.
func endSetupLinks(ctx context.Context, tx *sql.Tx, host, how string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE link SET used_at = $1, detail = $2 WHERE kind = 'setup' AND route = $3 AND used_at IS NULL AND expires_at > $1`,
		now.UnixMilli(), `{"end":"`+how+`"}`, host)
	return err
}

// changeSetup changes a link in a transaction: change gets it locked, as it is now,
// and what it leaves in the detail is written. It must hold in this browser and be
// usable; a refusal says that it is not. browser is empty for who is about to hold it.
func (g *Gateway) changeSetup(ctx context.Context, rt *Route, id, browser string, change func(ctx context.Context, tx *sql.Tx, l *setupLink) error) error {
	var no *refusal
	err := g.cfg.Store.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		no = nil
		l, err := scanSetupLink(tx.QueryRowContext(ctx, `UPDATE link SET route = route WHERE id = $1 AND kind = 'setup' AND route = $2 RETURNING `+setupColumns, id, rt.Host))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			no = errSetupUnknown
			return nil
		case err != nil:
			return err
		}
		if no = l.refusal(g.cfg.Now()); no != nil {
			return nil
		}
		if browser != "" && !l.heldBy(browser) {
			no = errSetupTaken
			return nil
		}
		if err := change(ctx, tx, l); err != nil {
			return err
		}
		detail, err := json.Marshal(l.detail)
		if err != nil {
			return err
		}
		used := sql.NullInt64{Int64: g.cfg.Now().UnixMilli(), Valid: l.detail.End != ""}
		_, err = tx.ExecContext(ctx, `UPDATE link SET detail = $2, used_at = $3 WHERE id = $1`, id, string(detail), used)
		return err
	})
	var refused *refusal
	switch {
	case no != nil:
		return no
	case errors.As(err, &refused):
		return refused
	case err != nil:
		return errStore.because(fmt.Errorf("change setup link: %w", err))
	}
	return nil
}

// setupCookie is what the browser holds that uses a link, sealed.
type setupCookie struct {
	Link   string `json:"l"` // its id
	Secret string `json:"s"` // whose hash the link has
}

func setupCookieName(rt *Route) string { return cookieName(rt) + "-setup" }

// setSetupCookie makes the browser the one that uses the link.
func (g *Gateway) setSetupCookie(w http.ResponseWriter, rt *Route, c setupCookie) error {
	// #nosec G117 -- sealed before it is kept
	plain, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("marshal setup cookie: %w", err)
	}
	now := g.cfg.Now()
	sealed, err := g.cfg.Sealer.seal(kindSetup, rt.Host, plain, now)
	if err != nil {
		return fmt.Errorf("seal setup cookie: %w", err)
	}
	setCookie(w, rt, setupCookieName(rt), sealed, setupLife)
	return nil
}

// readSetupCookie gives what the browser holds; the zero value for nothing of ours.
func (g *Gateway) readSetupCookie(rt *Route, r *http.Request) (c setupCookie) {
	plain, err := g.cfg.Sealer.open(kindSetup, rt.Host, cookieValue(r, setupCookieName(rt)))
	if err != nil || json.Unmarshal(plain, &c) != nil {
		return setupCookie{}
	}
	return c
}

// sealTyped and openTyped keep what an admin has typed with their link: not in
// force, and never sent back into a page.
func (g *Gateway) sealTyped(l *setupLink, s managedSecrets) error {
	// #nosec G117 -- sealed before it is kept
	plain, err := json.Marshal(s)
	if err != nil {
		return err
	}
	sealed, err := g.cfg.Master.Seal(typedPurpose, l.id, plain)
	l.detail.Typed = base64.StdEncoding.EncodeToString(sealed)
	return err
}

func (g *Gateway) openTyped(l *setupLink) (s managedSecrets, err error) {
	if l.detail.Typed == "" {
		return s, nil
	}
	sealed, err := base64.StdEncoding.DecodeString(l.detail.Typed)
	if err != nil {
		return s, fmt.Errorf("read what was typed: %w", err)
	}
	plain, err := g.cfg.Master.Open(typedPurpose, l.id, sealed)
	if err != nil {
		return s, fmt.Errorf("read what was typed: %w", err)
	}
	return s, json.Unmarshal(plain, &s)
}

// typedPurpose is what that is sealed for, each for its link.
const typedPurpose = "slack-app-typed"
