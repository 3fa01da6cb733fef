package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

const day = 24 * time.Hour

func master(t *testing.T, fill byte) store.Master {
	t.Helper()
	m, err := store.LoadMaster("", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// numbered is a ring whose keys are "1", "2", … in the order of their making.
func numbered(purpose string) store.RingSpec {
	n := 0
	return store.RingSpec{
		Purpose:     purpose,
		Generate:    func() ([]byte, error) { n++; return []byte(strconv.Itoa(n)), nil },
		RotateEvery: 30 * day, AnnounceFor: day, KeepFor: 7 * day,
	}
}

func values(keys []store.Key) string {
	var all []string
	for _, k := range keys {
		all = append(all, string(k.Value))
	}
	return strings.Join(all, " ")
}

func TestRingRotates(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		start, spec := time.UnixMilli(1_800_000_000_000), numbered("session")
		for _, row := range []struct {
			at   time.Duration
			want string // in use, newest first, then announced
		}{
			{0, "1"},
			{29*day - 1, "1"},
			{29 * day, "1 2"}, // announced
			{30*day - 1, "1 2"},
			{30 * day, "2 1"}, // in use; the former still opens
			{37*day - 1, "2 1"},
			{37 * day, "2"}, // gone
			{59 * day, "2 3"},
			{60 * day, "3 2"},
			{400 * day, "3 4"}, // long switched off: the new one is announced all the same, and 2 is long gone
			{401 * day, "4 3"},
		} {
			keys, err := s.Ring(t.Context(), master(t, 1), spec, start.Add(row.at))
			if err != nil {
				t.Fatalf("at %s: %v", row.at, err)
			}
			if got := values(keys); got != row.want {
				t.Errorf("at %s the ring is %q, want %q", row.at, got, row.want)
			}
			if keys[0].ActiveFrom.After(start.Add(row.at)) {
				t.Errorf("at %s the first key is not in use yet", row.at)
			}
		}
	})
}

func TestRingsAreApart(t *testing.T) {
	s, now := openSQLite(t), time.Now()
	for range 2 {
		for _, purpose := range []string{"session", "assertion"} {
			spec := numbered(purpose)
			spec.Generate = func() ([]byte, error) { return []byte(purpose), nil }
			if keys, err := s.Ring(t.Context(), master(t, 1), spec, now); err != nil || values(keys) != purpose {
				t.Errorf("%s: %q, %v", purpose, values(keys), err)
			}
		}
	}
}

// After the clock was far ahead once, there is still a key in use.
func TestRingWhenTheClockWentBack(t *testing.T) {
	s, now, spec := openSQLite(t), time.Now(), numbered("session")
	if _, err := s.Ring(t.Context(), master(t, 1), spec, now.Add(1000*day)); err != nil {
		t.Fatal(err)
	}
	keys, err := s.Ring(t.Context(), master(t, 1), spec, now)
	if err != nil || values(keys) != "2 1" || keys[0].ActiveFrom.After(now) {
		t.Errorf("%q, %v", values(keys), err)
	}
}

func TestRingThatNeverRotates(t *testing.T) {
	s, now, spec := openSQLite(t), time.Now(), numbered("session")
	spec.RotateEvery, spec.AnnounceFor = 0, 0
	for _, after := range []time.Duration{0, 10000 * day} {
		if keys, err := s.Ring(t.Context(), master(t, 1), spec, now.Add(after)); err != nil || values(keys) != "1" {
			t.Errorf("%q, %v", values(keys), err)
		}
	}
}

// Many callers, two of them replicas on PostgreSQL, find the ring empty or due
// at the same time: one key is made.
func TestReplicasRotateOnce(t *testing.T) {
	storetest.EachState(t, func(t *testing.T, state string) {
		replicas := []*store.Store{storetest.Open(t, state)}
		if replicas[0].Postgres() {
			replicas = append(replicas, storetest.Open(t, state))
		}
		start := time.Now()
		for _, row := range []struct {
			at   time.Duration
			want int
		}{{0, 1}, {29 * day, 2}, {37 * day, 1}} {
			var wg sync.WaitGroup
			rings := make([]string, 8)
			for i := range rings {
				wg.Go(func() {
					spec := numbered("session")
					spec.Generate = func() ([]byte, error) { return []byte(time.Now().String()), nil }
					keys, err := replicas[i%len(replicas)].Ring(t.Context(), master(t, 1), spec, start.Add(row.at))
					if err != nil || len(keys) != row.want {
						t.Errorf("at %s: %d keys, %v, want %d", row.at, len(keys), err, row.want)
					}
					rings[i] = values(keys)
				})
			}
			wg.Wait()
			for _, r := range rings {
				if r != rings[0] {
					t.Errorf("at %s the rings differ: %q and %q", row.at, r, rings[0])
				}
			}
		}
	})
}

func TestWrongMasterNeverMakesANewRing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		now := time.Now()
		if _, err := s.Ring(t.Context(), master(t, 1), numbered("session"), now); err != nil {
			t.Fatal(err)
		}
		_, err := s.Ring(t.Context(), master(t, 2), numbered("session"), now.Add(1000*day))
		if err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("another master key gave %v", err)
		}
		for _, want := range []string{`key ring "session"`, "sealed under master key", "master_key of the configuration"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v\n\tdoes not say %q", err, want)
			}
		}
		if _, err := s.Ring(t.Context(), store.Master{}, numbered("session"), now); err == nil {
			t.Error("no master key at all was enough")
		}
		if keys, err := s.Ring(t.Context(), master(t, 1), numbered("session"), now); err != nil || values(keys) != "1" {
			t.Errorf("afterwards the right one gives %q, %v", values(keys), err)
		}
	})
}

// Every bit of a sealed key matters, and so does where it lies.
func TestTamperedRing(t *testing.T) {
	s, now := openSQLite(t), time.Now()
	keys, err := s.Ring(t.Context(), master(t, 1), numbered("session"), now)
	if err != nil {
		t.Fatal(err)
	}
	var sealed []byte
	if err := s.Read().QueryRow(`SELECT sealed FROM key_ring`).Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte(keys[0].Value)) && len(keys[0].Value) > 3 {
		t.Error("the key lies open in the table")
	}
	update := func(query string, args ...any) {
		t.Helper()
		err := s.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, query, args...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for bit := range len(sealed) * 8 {
		bad := bytes.Clone(sealed)
		bad[bit/8] ^= 1 << (bit % 8)
		update(`UPDATE key_ring SET sealed = $1`, bad)
		if _, err := s.Ring(t.Context(), master(t, 1), numbered("session"), now); err == nil {
			t.Fatalf("bit %d flipped, and it opens", bit)
		}
	}
	for n := range sealed {
		update(`UPDATE key_ring SET sealed = $1`, sealed[:n])
		if _, err := s.Ring(t.Context(), master(t, 1), numbered("session"), now); err == nil {
			t.Fatalf("cut to %d bytes, and it opens", n)
		}
	}
	update(`UPDATE key_ring SET sealed = $1, purpose = 'assertion'`, sealed)
	if _, err := s.Ring(t.Context(), master(t, 1), numbered("assertion"), now); err == nil {
		t.Error("moved to another purpose, and it opens")
	}
	update(`UPDATE key_ring SET purpose = 'session', id = 'other'`)
	if _, err := s.Ring(t.Context(), master(t, 1), numbered("session"), now); err == nil {
		t.Error("renamed, and it opens")
	}
}

func TestRingSpecMistakes(t *testing.T) {
	s, mistake := openSQLite(t), errors.New("no entropy")
	for name, change := range map[string]func(*store.RingSpec){
		"no purpose":             func(s *store.RingSpec) { s.Purpose = "" },
		"no generator":           func(s *store.RingSpec) { s.Generate = nil },
		"failing generator":      func(s *store.RingSpec) { s.Generate = func() ([]byte, error) { return nil, mistake } },
		"negative":               func(s *store.RingSpec) { s.KeepFor = -1 },
		"announced for too long": func(s *store.RingSpec) { s.AnnounceFor = s.RotateEvery },
	} {
		spec := numbered("session")
		change(&spec)
		if _, err := s.Ring(t.Context(), master(t, 1), spec, time.Now()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
