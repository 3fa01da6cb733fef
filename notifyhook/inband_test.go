package notifyhook

import (
	"net/url"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/store"
	"github.com/cocoom/cocoom-gateway/internal/store/storetest"
)

func TestInBandRefuses(t *testing.T) {
	s := sqliteStore(t)
	r, _, log := newTestRelay(t, s, "")
	r.routes[host].InBand = true
	if r.InBand(otherHost) != nil {
		t.Error("a route that does not want them takes them")
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
		r.routes[host].InBand = true
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
