package gateway

import (
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

// TestAttackHugeTokensAreNotKept: what a provider gives as tokens lies in the store
// for each person, so one that is longer than any that is honest does not.
func TestAttackHugeTokensAreNotKept(t *testing.T) {
	fits, large := strings.Repeat("x", 8<<10), strings.Repeat("x", 8<<10+1)
	for name, row := range map[string]struct {
		access, refresh, subject string
		kept                     bool
	}{
		"Slack's":         {"xoxp-1", "", "U0MARIE", true},
		"the longest":     {fits, fits, "U0MARIE", true},
		"a huge token":    {large, "", "U0MARIE", false},
		"a huge renewal":  {"xoxp-1", large, "U0MARIE", false},
		"a huge subject":  {"xoxp-1", "", large, false},
		"all of them are": {large, large, large, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeptToken(&oauth2.Token{AccessToken: row.access, RefreshToken: row.refresh}, row.subject)
			if kept := k.Access != ""; kept != row.kept || !kept && k != (keptToken{}) {
				t.Errorf("kept: %v", kept)
			}
		})
	}
}
