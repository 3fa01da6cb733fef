package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cocoom/cocoom-gateway/internal/store"
)

func TestClassify(t *testing.T) {
	for _, row := range []struct {
		err  error
		want bool
	}{
		{errors.New("anything else"), false},
		{sql.ErrNoRows, false},
		{context.Canceled, false}, // the caller's own wish
		{context.DeadlineExceeded, true},
		{sql.ErrConnDone, true},
		{io.ErrUnexpectedEOF, true},
		{&pgconn.PgError{Code: "23505"}, false}, // unique_violation
		{&pgconn.PgError{Code: "42P01"}, false}, // undefined_table
		{&pgconn.PgError{Code: "22001"}, false}, // string too long
		{&pgconn.PgError{Code: "25P02"}, false}, // went on after an error
		{&pgconn.PgError{Code: ""}, false},
		{&pgconn.PgError{Code: "25006"}, true}, // read-only
		{&pgconn.PgError{Code: "53100"}, true}, // disk full
		{&pgconn.PgError{Code: "53300"}, true}, // too many connections
		{&pgconn.PgError{Code: "57014"}, true}, // statement timeout
		{&pgconn.PgError{Code: "57P01"}, true}, // shutting down
		{&pgconn.PgError{Code: "40001"}, true}, // still, after all retries
		{&pgconn.PgError{Code: "28P01"}, true}, // the password was changed
	} {
		err := fmt.Errorf("attempt: %w", row.err)
		got := store.Classify(err)
		if errors.Is(got, store.ErrUnavailable) != row.want || !errors.Is(got, row.err) {
			t.Errorf("%v became %v, want unavailable %v", err, got, row.want)
		}
		if again := store.Classify(got); again != got {
			t.Errorf("classified twice: %v", again)
		}
	}
	if store.Classify(nil) != nil {
		t.Error("nil is no error")
	}
}
