package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestExplainHasWordsForEveryReason that policy gives.
func TestExplainHasWordsForEveryReason(t *testing.T) {
	source, err := os.ReadFile("policy/decision.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(source), "// Reason is one constant word")
	list, _, ok := strings.Cut(list, "Reason string")
	words := regexp.MustCompile(`"([a-z_]+)"`).FindAllStringSubmatch(list, -1)
	if !ok || len(words) != len(reasons) {
		t.Fatalf("policy names %d reasons, explain has words for %d", len(words), len(reasons))
	}
	for _, w := range words {
		if reasons[w[1]] == "" {
			t.Errorf("no words for %q", w[1])
		}
	}
}
