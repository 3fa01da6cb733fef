package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	pgWriters  = 16 // connections that write, per process
	pgReaders  = 8  // connections that read, per process
	writeTries = 5  // runs of one Func in all
)

// pg is the engine of PostgreSQL: a pool that writes.
type pg struct{ db *sql.DB }

// openPostgres opens the database at the address dsn.
func openPostgres(ctx context.Context, dsn string) (_ engine, read *sql.DB, err error) {
	writes, err := openPGPool(dsn, false)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, writes.Close())
		}
	}()
	if err := writes.PingContext(ctx); err != nil {
		return nil, nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	if err := migrate(ctx, writes, true); err != nil {
		return nil, nil, fmt.Errorf("PostgreSQL: %w", err)
	}
	if read, err = openPGPool(dsn, true); err != nil {
		return nil, nil, err
	}
	return &pg{writes}, read, nil
}

func (p *pg) close() error { return p.db.Close() }

func openPGPool(dsn string, readOnly bool) (*sql.DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, dsnError(dsn, err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	for name, value := range map[string]string{ // what the address says itself comes first
		"application_name":                    "cocoom-gateway",
		"statement_timeout":                   "10s",
		"idle_in_transaction_session_timeout": "30s",
	} {
		if _, ok := config.RuntimeParams[name]; !ok {
			config.RuntimeParams[name] = value
		}
	}
	bound, options := pgReaders, []stdlib.OptionOpenDB(nil)
	if readOnly {
		config.RuntimeParams["default_transaction_read_only"] = "on"
	} else {
		bound, options = pgWriters, append(options, stdlib.OptionAfterConnect(durable))
		if config.ValidateConnect == nil { // of several hosts take the one that is primary now
			config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
		}
	}
	db := stdlib.OpenDB(*config, options...)
	db.SetMaxOpenConns(bound)
	db.SetMaxIdleConns(bound)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(30 * time.Minute)
	return db, nil
}

// durable refuses a connection whose COMMIT would not mean what Write promises.
// It is asked of each, since a setting of the role or database may change.
func durable(ctx context.Context, conn *pgx.Conn) error {
	var commit, fsync string
	err := conn.QueryRow(ctx, `SELECT current_setting('synchronous_commit'), current_setting('fsync')`).Scan(&commit, &fsync)
	if err != nil {
		return fmt.Errorf("ask for synchronous_commit: %w", err)
	}
	if commit == "off" || commit == "local" || fsync != "on" {
		return fmt.Errorf("synchronous_commit is %s and fsync is %s: what was accepted could be lost; set synchronous_commit to on and fsync to on", commit, fsync)
	}
	return nil
}

// dsnError says what is wrong with the address without any secret of it.
func dsnError(dsn string, err error) error {
	u, parseErr := url.Parse(dsn)
	if parseErr != nil { // its text would quote the address, and where the password is in it cannot be told
		return errors.New("state: not a valid PostgreSQL address; write postgres://USER:PASSWORD@HOST:5432/DATABASE, with special characters of the password percent-encoded")
	}
	text := err.Error()
	if u.User != nil {
		_, escaped, _ := strings.Cut(u.User.String(), ":")
		password, _ := u.User.Password()
		text = hide(text, password, escaped)
	}
	for name, values := range u.Query() {
		if strings.Contains(name, "password") {
			text = hide(text, values...)
			text = hide(text, url.QueryEscape(values[0]))
		}
	}
	return fmt.Errorf("state: %s", text)
}

func hide(text string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "xxxxx")
		}
	}
	return text
}

// write runs fn in a transaction, and again where it is certain that nothing of
// the former run remains.
func (p *pg) write(ctx context.Context, fn Func) error {
	for try := 1; ; try++ {
		again, err := p.try(ctx, fn)
		if err == nil || !again || try == writeTries {
			return err
		}
		select {
		case <-ctx.Done():
			return notBegun(ctx)
		// #nosec G404 -- spreads what would come at once; nobody is to be kept from guessing it
		case <-time.After(time.Duration(rand.Int64N(int64(10*time.Millisecond) << try))): // two that collided must not meet again
		}
	}
}

// try runs fn once. again says that nothing was applied and that another try
// may do better.
func (p *pg) try(ctx context.Context, fn Func) (again bool, err error) {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return false, notBegun(ctx)
		}
		return false, fmt.Errorf("%w: connect: %w", ErrUnavailable, err)
	}
	defer conn.Close()
	ctx, cancel := turn(ctx)
	defer cancel()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil { // a connection that died while idle shows it here, before fn began
		return true, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // also if fn panics; after the commit it does nothing
	if err := fn(ctx, tx); err != nil {
		return rolledBack(err), err
	}
	if ctx.Err() != nil {
		return false, fmt.Errorf("%w: the write took longer than %s", ErrUnavailable, turnLimit)
	}
	switch err := tx.Commit(); {
	case err == nil:
		return false, nil
	case errors.Is(err, pgx.ErrTxCommitRollback): // fn went on after a failed statement
		return false, errors.New("the write ignored an error of one of its statements, so nothing was applied")
	default:
		return rolledBack(err), commitFailed(err)
	}
}

// commitFailed tells the server's refusal, after which nothing is applied, from
// an answer that never came.
func commitFailed(err error) error {
	if _, refused := errors.AsType[*pgconn.PgError](err); refused {
		return fmt.Errorf("commit: %w", err)
	}
	return fmt.Errorf("%w: commit: %w", ErrUnavailable, err)
}

// rolledBack reports the two errors by which PostgreSQL says that it has rolled
// back for a reason that may be gone the next time: serialization_failure and
// deadlock_detected.
func rolledBack(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}
