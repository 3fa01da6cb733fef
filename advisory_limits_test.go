package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestAdvisoryAutheliaLimits is about CVE-2025-24806 and CVE-2026-47203: a limit
// is one client's, however a proxy writes their address, and nobody else's.
func TestAdvisoryAutheliaLimits(t *testing.T) {
	t.Parallel()
	s := besiege(t, func(config string) string { return "trusted_proxies: [127.0.0.1/32]\n" + config })
	guess := func(address string) try {
		return try{request: get(s.host, "/cron/x", "X-Forwarded-For: "+address+"\r\nAuthorization: Bearer cgs_"+strings.Repeat("x", 43)+"\r\n"), status: 429}
	}
	other := func(address string) try {
		one := guess(address)
		one.status = 401
		return one
	}
	for name, row := range map[string]struct{ same, others []string }{
		"IPv4": {[]string{"192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7:4711", "[::ffff:192.0.2.7]:4711", "::FFFF:C000:0207", "198.51.100.1, 192.0.2.7", "0:0:0:0:0:ffff:c000:207"}, []string{"192.0.2.8", "::192.0.2.7"}},
		"IPv6": {[]string{"2001:db8::1", "2001:DB8:0::1", "2001:0db8:0000:0000:0000:0000:0000:0001", "[2001:db8::1]:4711", "2001:db8::ffff:0:0:1", "2001:db8::192.0.2.7"}, []string{"2001:db8:0:1::1", "2001:db9::1"}},
	} {
		for i := range 200 { // 120 at once, and one a second
			s.attack(guess(row.same[i%len(row.same)]).request)
		}
		s.row(t, fmt.Sprintf("CVE-2025-24806 CVE-2026-47203 %s in every spelling is held back", name), advisory{
			honest: each(row.others, other),
			forged: each(row.same, guess),
		})
	}
}
