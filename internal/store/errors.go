package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrUnavailable is in the chain (errors.Is) of every error that is the store's
// own trouble and not the caller's mistake: disk full, read-only, I/O error,
// busy, no connection, shutting down, too slow. An HTTP handler answers it with
// 503 and Retry-After. A constraint violation or bad SQL is not one.
var ErrUnavailable = errors.New("store unavailable")

// Classify returns err with ErrUnavailable in its chain if it is the store's
// own trouble, and err itself otherwise. Write, Now and Ring have done it
// already; it is for errors of Read's queries.
func Classify(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) || !unavailable(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

func unavailable(err error) bool {
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return unavailableSQLite(lite.Code())
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return unavailablePostgres(pg.Code)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok { // a context's deadline is one, too
		return true
	}
	return pgconn.SafeToRetry(err) || slices.ContainsFunc([]error{
		context.DeadlineExceeded, driver.ErrBadConn, sql.ErrConnDone, io.ErrUnexpectedEOF,
	}, func(target error) bool { return errors.Is(err, target) })
}

// unavailableSQLite reads a result code, https://sqlite.org/rescode.html; the
// low byte is the primary one.
func unavailableSQLite(code int) bool {
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT,
		sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
		sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_INTERNAL, sqlite3.SQLITE_NOLFS:
		return true
	}
	return false
}

// unavailablePostgres reads an SQLSTATE, PostgreSQL's appendix A: the first two
// characters are the class.
func unavailablePostgres(state string) bool {
	if len(state) != 5 {
		return false
	}
	switch state[:2] {
	case "08", "28", "3D", "40", "53", "55", "57", "58", "F0", "XX": // connection, login, database, retries used up, disk full, locks, shutdown, system, internal
		return true
	}
	switch state {
	case "25006", "25P03", "42501": // read-only transaction (a standby), idle too long, privilege taken away
		return true
	}
	return false
}
