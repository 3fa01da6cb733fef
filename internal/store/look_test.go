package store_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

// TestOpenReadOnly: a store is looked at beside who has it open, and what is not
// there is not made.
func TestOpenReadOnly(t *testing.T) {
	storetest.EachState(t, func(t *testing.T, state string) {
		if s, err := store.OpenReadOnly(t.Context(), state); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("before there is a store: %v, %v", s, err)
		}
		owner := storetest.Open(t, state)
		made, err := owner.Ring(t.Context(), master(t, 1), numbered("cookies"), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		beside, err := store.OpenReadOnly(t.Context(), state)
		if err != nil {
			t.Fatal(err)
		}
		defer beside.Close()
		if beside.Epoch() != owner.Epoch() {
			t.Error("it is another store")
		}
		if ring, err := beside.ReadRing(t.Context(), master(t, 1), "cookies"); err != nil || len(ring) != 1 || ring[0].ID != made[0].ID {
			t.Errorf("the ring is %v, %v", ring, err)
		}
		if _, err := beside.ReadRing(t.Context(), master(t, 2), "cookies"); err == nil || !strings.Contains(err.Error(), "is sealed under master key") {
			t.Errorf("another master key opens the ring: %v", err)
		}
		for name, s := range map[string]*store.Store{"owner": owner, "beside": beside} {
			a, err := s.About(t.Context())
			if err != nil || a.Lossy || a.Bytes <= 0 || a.Schema == 0 || a.Schema != a.Known || !strings.Contains(a.Version, "SQL") || a.Durable == "" {
				t.Errorf("%s: %+v, %v", name, a, err)
			}
		}
		err = beside.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error { t.Error("it writes"); return nil })
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("writing ends with %v", err)
		}
		if _, err := beside.Read().ExecContext(t.Context(), `DELETE FROM key_ring`); err == nil {
			t.Error("its connections write")
		}
	})
}

// TestAboutLossy: PostgreSQL that may lose a commit says so, also where it can
// no longer be opened for writing.
func TestAboutLossy(t *testing.T) {
	state := storetest.Postgres(t)
	storetest.Open(t, state)
	separator := "?"
	if strings.Contains(state, "?") {
		separator = "&"
	}
	beside, err := store.OpenReadOnly(t.Context(), state+separator+"synchronous_commit=off")
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	if a, err := beside.About(t.Context()); err != nil || !a.Lossy || !strings.Contains(a.Durable, "synchronous_commit=off") {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestReadMaster: none is made.
func TestReadMaster(t *testing.T) {
	dir := t.TempDir()
	if _, err := store.ReadMaster(dir, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a key: %v", err)
	}
	if made, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(made) != 0 {
		t.Errorf("it has made %v, %v", made, err)
	}
	s, err := store.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := store.LoadMaster(dir, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := store.ReadMaster(dir, ""); err != nil {
		t.Error(err)
	}
}
