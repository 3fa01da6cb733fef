package gateway

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cocoom/cocoom-gateway/policy"
)

// personKey names a person as one route knows them: user ids are unique in a
// team only, each route asks by its own Slack app, and signing out of one of two
// routes of a workspace leaves the other alone.
type personKey struct{ route, team, user string }

// String is the value of a revocation of kind "user", and what a kept token is
// sealed for. A slash stands in no host and in no id.
func (k personKey) String() string { return k.route + "/" + k.team + "/" + k.user }

// personRow is a row of the table of that name: what Slack has said about somebody
// on a route, and when.
type personRow struct {
	key personKey
	facts
	token   string // sealed; empty: none is kept
	checked int64  // Unix ms, by our clock
	version int64  // changed_at: Unix ms by the store's clock, always growing
}

// notAsked is the ask_at of who is not to be asked about.
var notAsked = sql.NullInt64{}

const personColumns = `route, team, user_id, email, first_email, name, guest, admin, deactivated, user_groups, token, checked_at, changed_at`

func scanPerson(row interface{ Scan(...any) error }) (*personRow, error) {
	var p personRow
	var groups sql.NullString
	err := row.Scan(&p.key.route, &p.key.team, &p.key.user, &p.email, &p.firstEmail, &p.name,
		&p.guest, &p.admin, &p.deactivated, &groups, &p.token, &p.checked, &p.version)
	if err != nil {
		return nil, err
	}
	p.groups, err = readGroups(groups)
	return &p, err
}

// readGroups reads the column user_groups, a JSON object of ids and handles.
func readGroups(column sql.NullString) ([]usergroup, error) {
	if !column.Valid {
		return nil, nil
	}
	var handles map[string]string
	if err := json.Unmarshal([]byte(column.String), &handles); err != nil {
		return nil, fmt.Errorf("read usergroups: %w", err)
	}
	groups := make([]usergroup, 0, len(handles))
	for id, handle := range handles {
		groups = append(groups, usergroup{id, handle})
	}
	sortGroups(groups)
	return groups, nil
}

func writeGroups(groups []usergroup) (sql.NullString, error) {
	if groups == nil {
		return sql.NullString{}, nil
	}
	handles := make(map[string]string, len(groups))
	for _, g := range groups {
		handles[g.id] = g.handle
	}
	raw, err := json.Marshal(handles)
	return sql.NullString{String: string(raw), Valid: true}, err
}

func sortGroups(groups []usergroup) {
	slices.SortFunc(groups, func(a, b usergroup) int {
		return cmp.Or(strings.Compare(a.handle, b.handle), strings.Compare(a.id, b.id))
	})
}

// find reads a person of a route by user id or e-mail address; nil if there is
// none. Of several with one address, who is active and was seen last.
func (d *directory) find(ctx context.Context, rt *Route, emailOrID string) (*personRow, error) {
	column := `user_id = $3`
	if strings.Contains(emailOrID, "@") {
		column, emailOrID = `lower(email) = $3`, policy.LowerASCII(emailOrID)
	}
	p, err := scanPerson(d.store.Read().QueryRowContext(ctx, `SELECT `+personColumns+` FROM person
		WHERE route = $1 AND team = $2 AND `+column+` ORDER BY deactivated, checked_at DESC LIMIT 1`, rt.Host, rt.Workspace, emailOrID))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return p, err
}

// lockPerson reads a row and keeps others from changing it until the
// transaction ends; nil if there is none.
func lockPerson(ctx context.Context, tx *sql.Tx, key personKey) (*personRow, error) {
	p, err := scanPerson(tx.QueryRowContext(ctx, `UPDATE person SET route = route
		WHERE route = $1 AND team = $2 AND user_id = $3 RETURNING `+personColumns, key.route, key.team, key.user))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return p, err
}

// addPerson makes the row of a first sign-in, or finds the one that another
// tab's sign-in has just made.
func addPerson(ctx context.Context, tx *sql.Tx, key personKey) (*personRow, error) {
	_, err := tx.ExecContext(ctx, `INSERT INTO person (route, team, user_id, checked_at, changed_at) VALUES ($1, $2, $3, 0, 0)
		ON CONFLICT (route, team, user_id) DO NOTHING`, key.route, key.team, key.user)
	if err != nil {
		return nil, err
	}
	return lockPerson(ctx, tx, key)
}

// save writes the row; ask is when Slack is to be asked again, in Unix ms.
func (p *personRow) save(ctx context.Context, tx *sql.Tx, ask sql.NullInt64) error {
	groups, err := writeGroups(p.groups)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE person SET email = $4, first_email = $5, name = $6, guest = $7, admin = $8, deactivated = $9,
		user_groups = $10, token = $11, checked_at = $12, ask_at = $13, changed_at = $14
		WHERE route = $1 AND team = $2 AND user_id = $3`,
		p.key.route, p.key.team, p.key.user, p.email, p.firstEmail, p.name, number(p.guest), number(p.admin), number(p.deactivated),
		groups, p.token, p.checked, ask, p.version)
	return err
}

// sessions are those that end when the person is shut out: on every route of the
// workspace if they are deactivated there, else on this one.
func (p *personRow) sessions() whose {
	if p.deactivated {
		return whose{team: p.key.team, user: p.key.user}
	}
	return whose{route: p.key.route, team: p.key.team, user: p.key.user}
}

// number is a truth as both engines keep it in an INTEGER.
func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// inGroup lists those of a route who are known to be in a usergroup.
func (d *directory) inGroup(ctx context.Context, rt *Route, id string) ([]*personRow, error) {
	rows, err := d.store.Read().QueryContext(ctx, `SELECT `+personColumns+` FROM person
		WHERE route = $1 AND team = $2 AND user_groups LIKE $3`, rt.Host, rt.Workspace, `%"`+id+`"%`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var members []*personRow
	for rows.Next() {
		p, err := scanPerson(rows)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(p.groups, func(g usergroup) bool { return g.id == id }) {
			members = append(members, p)
		}
	}
	return members, rows.Err()
}
