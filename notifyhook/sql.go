package notifyhook

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
)

// params are the arguments of a statement that is put together from parts.
type params []any

// add adds an argument and returns its placeholder.
func (p *params) add(v any) string {
	*p = append(*p, v)
	return "$" + strconv.Itoa(len(*p))
}

// addAll adds arguments and returns their placeholders with commas between, as
// IN takes them.
func addAll[T any](p *params, list []T) string {
	places := make([]string, len(list))
	for i, v := range list {
		places[i] = p.add(v)
	}
	return strings.Join(places, ", ")
}

// rowsAtOnce is how many rows one statement inserts. On PostgreSQL a statement
// is a round trip. On SQLite it is none, and a short text stays prepared.
func (r *Relay) rowsAtOnce() int {
	if r.store.Postgres() {
		return intakeBatch
	}
	return 1
}

// insert inserts rows by as few statements as pay: into, VALUES, end.
func (r *Relay) insert(ctx context.Context, tx *sql.Tx, into string, rows [][]any, end string) error {
	for some := range slices.Chunk(rows, r.rowsAtOnce()) {
		text, args := values(some)
		if _, err := tx.ExecContext(ctx, into+text+end, args...); err != nil {
			return err
		}
	}
	return nil
}

// values is the VALUES clause for rows of one width, and its arguments.
func values(rows [][]any) (text string, args []any) {
	var b strings.Builder
	before := " VALUES ("
	for _, row := range rows {
		for _, v := range row {
			args = append(args, v)
			b.WriteString(before + "$" + strconv.Itoa(len(args)))
			before = ", "
		}
		before = "), ("
	}
	b.WriteString(")")
	return b.String(), args
}

// forUpdate is the clause that locks the rows of a SELECT; empty on SQLite, where
// one writes at a time.
func (r *Relay) forUpdate() string {
	if r.store.Postgres() {
		return "FOR UPDATE"
	}
	return ""
}
