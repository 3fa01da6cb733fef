package gateway

import (
	"strings"

	"github.com/cocoom/cocoom-gateway/policy"
)

// plausibleEmail refuses what mail-based rules could be fooled with: anything
// but exactly one @ with something on both sides, and nothing that is not seen.
func plausibleEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && len(s) <= 254 && !strings.Contains(domain, "@") && !strings.Contains(s, " ") && legible(s)
}

// sameEmail compares without regard to the case of A to Z. Unicode folding
// would take "boſs@x.fr" for "boss@x.fr".
func sameEmail(a, b string) bool { return a == b || policy.LowerASCII(a) == policy.LowerASCII(b) }

// maskEmail shows enough of an address for its owner to know it by.
func maskEmail(s string) string {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" {
		return "…"
	}
	return string([]rune(local)[:1]) + "…@" + domain
}
