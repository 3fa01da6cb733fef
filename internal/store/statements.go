package store

import (
	"context"
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
)

// maxStatements bounds what one connection keeps. The program's own texts are
// a few dozen; those that are put together by it vary in a few ways.
const maxStatements = 128

// sqliteConn is what the driver's connections can do and database/sql asks of
// them.
type sqliteConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	sqlite.HookRegisterer
}

// preparing is a connection that keeps its statements prepared: SQLite takes
// about as long to parse one as to run it. database/sql would keep them too, but
// only for who holds on to a *sql.Stmt.
//
// A statement is taken out while it runs or has rows open, so the same text may
// run twice at once. One without arguments is not kept: pragmas and scripts are
// such, and the former may act while they are parsed.
type preparing struct {
	sqliteConn
	idle map[string]statement
}

// statement is what the driver prepares.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func newPreparing(conn driver.Conn) (*preparing, error) {
	c, ok := conn.(sqliteConn)
	if !ok {
		return nil, errors.New("the SQLite driver's connection lacks a method")
	}
	return &preparing{sqliteConn: c, idle: map[string]statement{}}, nil
}

// ExecContext runs a statement without rows.
func (p *preparing) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		return p.sqliteConn.ExecContext(ctx, query, args)
	}
	s, err := p.take(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := s.ExecContext(ctx, args)
	return result, p.giveBack(query, s, err)
}

// QueryContext runs a statement with rows.
func (p *preparing) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 {
		return p.sqliteConn.QueryContext(ctx, query, args)
	}
	s, err := p.take(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		return nil, p.giveBack(query, s, err)
	}
	return &preparedRows{Rows: rows, giveBack: func(err error) error { return p.giveBack(query, s, err) }}, nil
}

// Close closes the statements, then the connection.
func (p *preparing) Close() error { return errors.Join(p.forget(), p.sqliteConn.Close()) }

func (p *preparing) take(ctx context.Context, query string) (statement, error) {
	if s, ok := p.idle[query]; ok {
		delete(p.idle, query)
		return s, nil
	}
	s, err := p.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.(statement), nil
}

// giveBack keeps the statement for the next time, unless it failed, and returns
// the failure.
func (p *preparing) giveBack(query string, s statement, failure error) error {
	if _, twice := p.idle[query]; twice || failure != nil {
		return errors.Join(failure, s.Close())
	}
	var err error
	if len(p.idle) == maxStatements {
		err = p.forget()
	}
	p.idle[query] = s
	return err
}

func (p *preparing) forget() error {
	var errs []error
	for _, s := range p.idle {
		errs = append(errs, s.Close())
	}
	clear(p.idle)
	return errors.Join(errs...)
}

// preparedRows gives its statement back when it is closed, which database/sql
// does once.
type preparedRows struct {
	driver.Rows
	giveBack func(error) error
}

// Close ends the rows.
func (r *preparedRows) Close() error { return r.giveBack(r.Rows.Close()) }
