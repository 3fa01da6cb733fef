package notifyhook

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func TestInBandRefuses(t *testing.T) {
	s := sqliteStore(t)
	r, _, log := newTestRelay(t, s, "")
	r.routes()[host].InBand = true
	if r.InBand(otherHost)(t.Context(), "", "req-0", []string{url.PathEscape(minimalJSON)}); !strings.Contains(log.String(), `"not_in_band"`) {
		t.Errorf("a route that does not want them takes them: %s", log)
	}
	take := r.InBand(host)
	for name, tt := range map[string]struct {
		values []string
		reason string
	}{
		"bad escape":     {[]string{"%zz"}, "unparsable"},
		"not JSON":       {[]string{"hello"}, "unparsable"},
		"nothing":        {[]string{""}, "empty_body"},
		"no text":        {[]string{`{"to":"C01"}`}, "validation text:required"},
		"a trial":        {[]string{`{"to":"C01","text":"x","dry_run":true}`}, "validation dry_run:not_here"},
		"8 KiB and more": {[]string{url.PathEscape(to("C01", strings.Repeat("x", maxInBand)))}, "too_large"},
		"too many":       {strings.Split(strings.Repeat(url.PathEscape(minimalJSON)+"\n", maxInBandNews+1), "\n"), "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(log.String())
			take(t.Context(), "U0MARIE", "req-1", tt.values)
			if said := log.String()[before:]; strings.Count(said, "\n") != 1 || !strings.Contains(said, tt.reason) || !strings.Contains(said, `"request_id":"req-1"`) {
				t.Errorf("logged %s", said)
			}
		})
	}
	if st, err := r.Stats(t.Context()); err != nil || st != (Stats{}) {
		t.Errorf("refused ones left %+v, %v", st, err)
	}
}

// The page must not wait for a store that fails; operators must know.
func TestInBandWithoutStore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		r, _, log := newTestRelay(t, s, "")
		r.routes()[host].InBand = true
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		r.InBand(host)(t.Context(), "", "req-1", []string{url.PathEscape(to("C01", "lost"))})
		if a := r.Alarms(); len(a) != 2 || a[0].Kind != "store" || a[1].Kind != "in_band" || a[1].Route != host || !strings.Contains(log.String(), "notification in band lost") {
			t.Errorf("alarms %+v, log %s", a, log)
		}
		if strings.Contains(log.String(), `"lost"`) {
			t.Error("the text is in the log")
		}
	})
}

// A store that hangs in the middle of a write holds a page for 3 s, not until it
// gives up; what it takes later is taken.
func TestInBandOnAStoreThatHangs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	synctest.Test(t, func(t *testing.T) {
		r, s, _ := relayInBubble(t, dir)
		r.routes()[host].InBand = true
		hold, held := make(chan struct{}), make(chan struct{})
		go func() {
			_ = s.Write(context.Background(), func(context.Context, *sql.Tx) error { close(held); <-hold; return nil })
		}()
		<-held
		take, start := r.InBand(host), time.Now()
		for range 2 {
			take(t.Context(), "", "req-1", []string{url.PathEscape(to("C01", "late"))})
		}
		if took := time.Since(start); took != 2*inBandTimeout {
			t.Errorf("two pages waited %s, want %s", took, 2*inBandTimeout)
		}
		if a := r.Alarms(); len(a) != 1 || a[0].Kind != "in_band" {
			t.Errorf("alarms %+v", a)
		}
		close(hold)
		synctest.Wait()
		if st, err := r.Stats(t.Context()); err != nil || st.Queued != 2 || len(r.Alarms()) != 0 {
			t.Errorf("then there are %+v, alarms %+v, %v", st, r.Alarms(), err)
		}
		for range maxInBandOpen {
			r.inBand <- struct{}{}
		}
		start = time.Now()
		take(t.Context(), "", "req-1", []string{url.PathEscape(to("C01", "one too many"))})
		if took := time.Since(start); took != 0 || len(r.Alarms()) != 1 {
			t.Errorf("when too many wait a page waited %s, alarms %+v", took, r.Alarms())
		}
	})
}

// A panic on the way loses the notification, not the process.
func TestPanicInBand(t *testing.T) {
	r, _, log := newTestRelay(t, sqliteStore(t), "")
	r.routes()[host].InBand = true
	r.arrival = func(context.Context) (time.Time, error) { panic("boom") }
	r.InBand(host)(t.Context(), "", "req-1", []string{url.PathEscape(minimalJSON)})
	if !strings.Contains(log.String(), "notification in band lost") || len(r.inBand) != 0 {
		t.Errorf("log %s", log)
	}
}

// A page that is reloaded tells once, without a key, what collapse makes one.
func TestInBandCollapses(t *testing.T) {
	r, _, _ := newTestRelay(t, sqliteStore(t), "")
	r.routes()[host].InBand, r.routes()[host].Collapse = true, 10*time.Second
	for _, actor := range []string{"U0MARIE", "U0MARIE", "U0PAUL"} {
		r.InBand(host)(t.Context(), actor, "req-1", []string{url.PathEscape(minimalJSON)})
	}
	if st, err := r.Stats(t.Context()); err != nil || st.Queued != 2 {
		t.Errorf("got %+v, %v, want one for each actor", st, err)
	}
}
