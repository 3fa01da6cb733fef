package throttle

import (
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestOneClientUnderEverySpelling: limits are not dodged by writing an address
// otherwise (as CVE-2025-24806 was by writing a user name otherwise).
func TestOneClientUnderEverySpelling(t *testing.T) {
	for name, row := range map[string]struct {
		a, b string
		same bool
	}{
		"mapped into IPv6":          {"192.0.2.7", "::ffff:192.0.2.7", true},
		"mapped, in hex":            {"192.0.2.7", "::ffff:c000:207", true},
		"mapped, with a zone":       {"192.0.2.7", "::ffff:192.0.2.7%eth0", true},
		"zones":                     {"fe80::1%eth0", "fe80::1%eth1", true},
		"zeroes":                    {"2001:db8::1", "2001:0DB8:0:0:0:0:0:1", true},
		"one network of 64 bits":    {"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
		"another network":           {"2001:db8::1", "2001:db8:0:1::1", false},
		"another IPv4 address":      {"192.0.2.7", "192.0.2.8", false},
		"IPv4 and what looks alike": {"192.0.2.7", "64:ff9b::192.0.2.7", false},
	} {
		t.Run(name, func(t *testing.T) {
			if same := From(netip.MustParseAddr(row.a)) == From(netip.MustParseAddr(row.b)); same != row.same {
				t.Errorf("%s and %s are the same client: %v", row.a, row.b, same)
			}
		})
	}
	if From(netip.Addr{}) == Everybody || From(netip.Addr{}) == "" {
		t.Error("who has no address is nobody, or everybody")
	}
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, budget, k := New(slog.New(slog.DiscardHandler), nil), Budget{Burst: 3, PerMinute: 6}, Key{"x", "host", "1"}
		takes := func(want ...time.Duration) {
			t.Helper()
			for i, w := range want {
				if got := l.Take(k, budget); got != w {
					t.Errorf("take %d: wait %s, want %s", i, got, w)
				}
			}
		}
		takes(0, 0, 0, 11*time.Second, 11*time.Second)
		if !l.Spent(k, budget) || l.Spent(Key{"x", "other", "1"}, budget) || l.Spent(Key{"y", "host", "1"}, budget) || l.Spent(Key{"x", "host", "2"}, budget) {
			t.Error("what one has spent is another's, or nobody's")
		}
		time.Sleep(10 * time.Second)
		takes(0, 11*time.Second)
		l.GiveBack(k, budget)
		takes(0, 11*time.Second)
		for range 10 { // more than was ever taken
			l.GiveBack(k, budget)
		}
		takes(0, 0, 0, 11*time.Second)
		time.Sleep(24 * time.Hour)
		takes(0, 0, 0, 11*time.Second)
		if l.Take(Key{"zero", "", ""}, Budget{}) == 0 {
			t.Error("no budget lets pass")
		}
	})
}

// TestManyClientsTakeBoundedRoom: ever new addresses push each other out, and the
// log has one line a minute of those held back.
func TestManyClientsTakeBoundedRoom(t *testing.T) {
	var log strings.Builder
	l := New(slog.New(slog.NewTextHandler(&log, nil)), nil)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 200_000 {
		who := From(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
		l.Take(Key{"logins", "agrafmania.cocoom.com", who}, Budget{1, 1})
	}
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("200,000 clients take %d KiB", grown>>10)
	}
	for range 1000 {
		l.Take(Key{"logins", "agrafmania.cocoom.com", "9"}, Budget{1, 1})
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines for 999 that were held back", n)
	}
	for i := range 5000 {
		l.floods.note(Key{fmt.Sprint(i), "", ""}, time.Now().Add(time.Duration(i)*time.Second))
	}
	if n := len(l.floods.of); n > maxFloods {
		t.Errorf("%d floods are remembered", n)
	}
}

func TestFloods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(slog.New(slog.DiscardHandler), nil)
		begun := time.Now()
		for range 100 {
			l.Take(Key{"a", "host", "1"}, Budget{1, 1})
		}
		if got := l.Floods(); len(got) != 0 {
			t.Errorf("99 held back are a flood: %v", got)
		}
		time.Sleep(time.Second)
		l.Take(Key{"a", "host", "2"}, Budget{})
		if got := l.Floods(); len(got) != 1 || got[0] != (Flood{"host", "a", begun, 100}) {
			t.Errorf("floods: %v", got)
		}
		time.Sleep(floodOver + time.Second)
		if got := l.Floods(); len(got) != 0 {
			t.Errorf("it is over, but: %v", got)
		}
	})
}

func TestGate(t *testing.T) {
	var g Gate
	first, second := g.Enter("a", 2), g.Enter("a", 2)
	if first == nil || second == nil || g.Enter("a", 2) != nil || g.Enter("b", 1) == nil {
		t.Fatal("the gate lets in too few, or too many")
	}
	first()
	second()
	if g.Enter("a", 1) == nil || len(g.inside) != 2 {
		t.Error("who left is still counted")
	}
}
