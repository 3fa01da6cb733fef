package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func draftsAt(t *testing.T, st *store.Store, now *time.Time) *drafts {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	sealer := new(Sealer)
	if err := sealer.Set([]SealKey{{ID: "s1", Value: key}}); err != nil {
		t.Fatal(err)
	}
	return newDrafts(sealer, st, func() time.Time { return *now })
}

func TestDraftsAreKeptSealedAndForATime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		now, ctx := time.Now(), context.Background()
		ds := draftsAt(t, st, &now)
		rt, other := &Route{Host: "a.example.com"}, &Route{Host: "b.example.com"}
		d := &draft{team: "T1", user: "U1", target: "/a?q=50%&\xe9", kind: "text/x\xe9", referer: "https://a.example.com/\xe9", body: []byte("a=\x00\n\xe9\nsecret words\n")}
		if err := ds.add(ctx, rt, "id", &session{sum: sessionID{1}}, d); err != nil {
			t.Fatal(err)
		}
		got, err := ds.find(ctx, rt, "id")
		if err != nil || got == nil {
			t.Fatalf("find gave %v, %v", got, err)
		}
		if got.team != d.team || got.user != d.user || got.target != d.target || got.kind != d.kind || got.referer != d.referer || !bytes.Equal(got.body, d.body) || got.sent {
			t.Errorf("got %+v, want %+v", got, d)
		}
		var sealed string
		if err := st.Read().QueryRow(`SELECT sealed FROM draft`).Scan(&sealed); err != nil || strings.Contains(sealed, "secret") {
			t.Errorf("the table holds %.80q (%v)", sealed, err)
		}
		for name, find := range map[string]func() (*draft, error){
			"another id":    func() (*draft, error) { return ds.find(ctx, rt, "id2") },
			"another route": func() (*draft, error) { return ds.find(ctx, other, "id") },
		} {
			if got, err := find(); got != nil || err != nil {
				t.Errorf("%s: got %v, %v", name, got, err)
			}
		}
		now = now.Add(draftLife)
		if got, err := ds.find(ctx, rt, "id"); got != nil || err != nil {
			t.Errorf("too late: got %v, %v", got, err)
		}
		if taken, err := ds.take(ctx, d); taken || err != nil {
			t.Errorf("too late: taken %v, %v", taken, err)
		}
	})
}

// TestDraftsAreTakenOnce: of many that try at once, on any replica, one does.
func TestDraftsAreTakenOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		now, ctx := time.Now(), context.Background()
		ds := draftsAt(t, st, &now)
		rt := &Route{Host: "a.example.com"}
		if err := ds.add(ctx, rt, "id", &session{sum: sessionID{1}}, &draft{}); err != nil {
			t.Fatal(err)
		}
		for round := range 2 {
			d, err := ds.find(ctx, rt, "id")
			if err != nil || d == nil || d.sent {
				t.Fatalf("find gave %+v, %v", d, err)
			}
			var won atomic.Int32
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					taken, err := ds.take(ctx, d)
					if err != nil {
						t.Error(err)
					}
					if taken {
						won.Add(1)
					}
				})
			}
			all.Wait()
			if won.Load() != 1 {
				t.Fatalf("round %d: taken %d times", round, won.Load())
			}
			if d, err := ds.find(ctx, rt, "id"); err != nil || !d.sent {
				t.Errorf("afterwards %+v, %v", d, err)
			}
			if err := ds.putBack(ctx, d); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestDraftsMakeRoom(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		now, ctx := time.Now(), context.Background()
		ds := draftsAt(t, st, &now)
		a, b := &Route{Host: "a.example.com"}, &Route{Host: "b.example.com"}
		count := func() (n int) {
			t.Helper()
			if err := st.Read().QueryRow(`SELECT COUNT(*) FROM draft`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		for i := range maxDrafts + 2 {
			now = now.Add(time.Second)
			if err := ds.add(ctx, a, fmt.Sprint(i), &session{sum: sessionID{1}}, &draft{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := ds.add(ctx, a, "x", &session{sum: sessionID{2}}, &draft{}); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]bool{"0": false, "1": false, "2": true, "6": true, "x": true} {
			if d, err := ds.find(ctx, a, id); err != nil || (d != nil) != want {
				t.Errorf("draft %s is there: %v, %v; want %v", id, d != nil, err, want)
			}
		}
		grow := func(id string, size int64) {
			t.Helper()
			if err := st.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, `UPDATE draft SET size = $2 WHERE id = $1`, id, size)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		grow("6", maxRouteDrafts)
		if err := ds.add(ctx, a, "full", &session{sum: sessionID{3}}, &draft{}); !errors.Is(err, errDraftsFull) {
			t.Errorf("with a full route: %v", err)
		}
		if err := ds.add(ctx, b, "b", &session{sum: sessionID{4}}, &draft{}); err != nil {
			t.Errorf("on another route: %v", err)
		}
		grow("b", maxAllDrafts)
		if err := ds.add(ctx, &Route{Host: "c.example.com"}, "c", &session{sum: sessionID{5}}, &draft{}); !errors.Is(err, errDraftsFull) {
			t.Errorf("with all full: %v", err)
		}
		now = now.Add(draftLife)
		if err := ds.add(ctx, a, "later", &session{sum: sessionID{3}}, &draft{}); err != nil || count() != 1 {
			t.Errorf("when all are over: %v, and %d are left", err, count())
		}
	})
}

func TestDraftFields(t *testing.T) {
	multi := "--B\r\nContent-Disposition: form-data; name=\"titre\"\r\n\r\nÉté\r\n" +
		"--B\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"plage.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n" + strings.Repeat("x", 12345) + "\r\n" +
		"--B\r\nContent-Disposition: form-data; name=\"vide\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n"
	for name, row := range map[string]struct {
		kind, body string
		want       []fact
	}{
		"urlencoded":        {"application/x-www-form-urlencoded", "a=1+2&b=&c=%C3%A9t%C3%A9%0D%0Ax", []fact{{"a", "1 2"}, {"c", "été\nx"}}},
		"latin-1":           {"application/x-www-form-urlencoded; charset=iso-8859-1", "pr%E9nom=No%EBl", []fact{{"prénom", "Noël"}}},
		"cannot be decoded": {"application/x-www-form-urlencoded", "a=50%&b=%zz", []fact{{"a", "50%"}, {"b", "%zz"}}},
		"secrets":           {"application/x-www-form-urlencoded", "Password=x&mdp2=x&api_token=x&csrf=x&note=ok", []fact{{"Password", masked}, {"mdp2", masked}, {"api_token", masked}, {"csrf", masked}, {"note", "ok"}}},
		"multipart":         {"multipart/form-data; boundary=B", multi + "--B--\r\n", []fact{{"titre", "Été"}, {"photo", "plage.jpg (12 kB)"}}},
		"multipart, cut":    {"multipart/form-data; boundary=B", multi[:100], []fact{{"titre", "Été"}}},
		"no boundary":       {"multipart/form-data", multi, nil},
		"control bytes":     {"application/x-www-form-urlencoded", "a=%00%1bb", []fact{{"a", "b"}}},
		"nothing":           {"application/x-www-form-urlencoded", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := draft{kind: row.kind, body: []byte(row.body)}
			if got := d.fields("en"); fmt.Sprint(got) != fmt.Sprint(row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	many := draft{kind: "application/x-www-form-urlencoded", body: []byte(strings.Repeat("a=b&", 100) + "c=" + strings.Repeat("é", maxShownText))}
	got := many.fields("fr")
	if len(got) != maxShownFields+1 || got[maxShownFields].Value != "encore 61" {
		t.Errorf("of 101 fields %d are shown, the last %q", len(got), got[len(got)-1])
	}
	long := draft{kind: many.kind, body: []byte("c=" + strings.Repeat("é", maxShownText))}
	if got := long.fields("fr")[0].Value; len(got) > maxShownText+3 || !strings.HasSuffix(got, "é…") {
		t.Errorf("a long value is shown with %d bytes", len(got))
	}
}

// TestFormsOnTheirWayAreBounded: many forms sent at once do not fill the memory,
// and those of one session do not keep out those of others.
func TestFormsOnTheirWayAreBounded(t *testing.T) {
	const mib = 1 << 20
	ds := newDrafts(nil, nil, nil)
	var leaving []func()
	enter := func(who byte, length int64) bool {
		leave, ok := ds.enter(&session{sum: sessionID{who}}, length, mib)
		if ok {
			leaving = append(leaving, leave)
		}
		return ok
	}
	for i := range maxDrafts + 1 {
		if ok := enter(0, 10); ok != (i < maxDrafts) {
			t.Errorf("form %d of one session: %t", i+1, ok)
		}
	}
	for i := range byte(maxComing/mib - 1) {
		if length := int64(mib) * int64(i%2*2-1); !enter(1+i, length) { // half of them do not say
			t.Errorf("no room for form %d of %d bytes", i, length)
		}
	}
	if enter(200, mib) || !enter(201, 1000) {
		t.Error("beside all the others there is room for a large form, or none for a small one")
	}
	for _, leave := range leaving {
		leave()
	}
	if !ds.coming.TryAcquire(maxComing) || len(ds.senders) != 0 {
		t.Errorf("afterwards %d sessions have forms on their way", len(ds.senders))
	}
}
