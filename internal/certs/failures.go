package certs

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// waits are how long the authority is left alone about a host after its first,
// second, … failure in a row; the last one stays. Let's Encrypt takes five
// failures for a host an hour before it refuses even to look.
var waits = [...]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}

// Failure is a host that the authority has refused a certificate, or could not
// be asked for one.
type Failure struct {
	Host  string
	Since time.Time // of the first in a row
	Last  time.Time
	Next  time.Time // it is not asked again before
	Count int
	Err   error
}

// failures are the hosts without success since.
type failures struct {
	log *slog.Logger

	mu   sync.Mutex
	of   map[string]Failure
	said time.Time // when unavailable last spoke
}

// add notes a failure, which is logged: that is as often as the authority is
// asked.
func (f *failures) add(host string, err error, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = map[string]Failure{}
	}
	failure := f.of[host]
	failure.Host, failure.Last, failure.Err = host, now, err
	if failure.Count == 0 {
		failure.Since = now
	}
	failure.Next = now.Add(waits[min(failure.Count, len(waits)-1)])
	failure.Count++
	f.of[host] = failure
	f.log.Error("certificate cannot be obtained; what there is goes on", "host", host, "error", err, "since", failure.Since, "next", failure.Next)
}

// clear forgets a host: it has succeeded.
func (f *failures) clear(host string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.of, host)
}

// current is why the authority is not to be asked about a host now; nil: it may
// be.
func (f *failures) current(host string, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	failure, ok := f.of[host]
	if !ok || !now.Before(failure.Next) {
		return nil
	}
	return fmt.Errorf("no certificate for %s, next try at %s: %w", host, failure.Next.Format(time.RFC3339), failure.Err)
}

// unavailable logs why a host of ours has no certificate, if add did not do so
// and not oftener than once a minute.
func (f *failures) unavailable(host string, err error, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.of[host]; ok || errors.Is(err, errNotOurs) || now.Sub(f.said) < time.Minute {
		return
	}
	f.said = now
	f.log.Error("certificate cannot be served", "host", host, "error", err)
}

// list gives the failures of the hosts that are still wanted, the longest first.
func (f *failures) list(wanted func(string) bool) []Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []Failure
	for host, failure := range f.of {
		if !wanted(host) {
			delete(f.of, host)
			continue
		}
		list = append(list, failure)
	}
	slices.SortFunc(list, func(a, b Failure) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Host, b.Host)) })
	return list
}
