package slacksim

import (
	"strconv"
	"testing"
)

func TestMessagesAreBounded(t *testing.T) {
	sim, err := New(Config{BaseURL: "http://slack.test"})
	if err != nil {
		t.Fatal(err)
	}
	conv := &conversation{byTS: map[string]*Message{}}
	seen := map[string]bool{}
	for i := range maxMessages + 1 {
		m := &Message{Text: strconv.Itoa(i)}
		sim.add(conv, m)
		seen[m.TS] = true
	}
	if got := len(conv.messages); got != maxMessages/2+1 || len(conv.byTS) != got {
		t.Errorf("%d messages kept, %d by timestamp", got, len(conv.byTS))
	}
	if len(seen) != maxMessages+1 {
		t.Errorf("%d different timestamps for %d messages", len(seen), maxMessages+1)
	}
	if last := conv.messages[len(conv.messages)-1]; last.Text != strconv.Itoa(maxMessages) {
		t.Errorf("the newest kept is %s", last.Text)
	}
}
