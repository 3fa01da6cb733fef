// Package doctor finds out whether a gateway can do what its configuration says:
// it asks the name service, the public addresses, Slack, the apps, the state and
// the clocks, and says of each in one line what is so, and what to do where it is
// not. It changes nothing, anywhere.
//
// The same checks run in a gateway that serves, which knows its secrets, its
// alarms and its network best, and from a configuration file beside it.
package doctor

import (
	"fmt"
	"strings"
)

// Result says how a check ended.
type Result string

// Results. Only Wrong makes an examination fail.
const (
	OK      Result = "ok"
	Wrong   Result = "wrong"
	Warning Result = "warning" // works, but not for long, or not for everybody
	Unknown Result = "unknown" // cannot be told from here
)

// Finding is one line of an examination. No secret is in it.
type Finding struct {
	Route  string `json:"route,omitempty"` // host; missing: it is about the gateway as a whole
	Check  string `json:"check"`           // a word, such as "tls"
	Result Result `json:"result"`
	Text   string `json:"text"`             // what was found
	Remedy string `json:"remedy,omitempty"` // what to do about it
}

// Summary counts the findings of an examination.
type Summary struct {
	Routes  int `json:"routes"`
	OK      int `json:"ok"`
	Wrong   int `json:"wrong"`
	Warning int `json:"warning"`
	Unknown int `json:"unknown"`
}

// Add counts one.
func (s *Summary) Add(f Finding) {
	switch f.Result {
	case OK:
		s.OK++
	case Wrong:
		s.Wrong++
	case Warning:
		s.Warning++
	default:
		s.Unknown++
	}
}

// Event is what an examination tells while it runs: one of its fields is set.
type Event struct {
	Finding *Finding `json:"finding,omitempty"`
	// Looked is how many of Routes have been looked at. The first event of an
	// examination has Routes alone.
	Looked int `json:"looked,omitempty"`
	Routes int `json:"routes,omitempty"`
	// Summary is the last event of an examination that came to its end.
	Summary *Summary `json:"summary,omitempty"`
	// Ask is a question for the person who runs a live examination, Open an address
	// that they have to open in a browser, Report what came of it.
	Ask    *Question `json:"ask,omitempty"`
	Open   string    `json:"open,omitempty"`
	Report *Report   `json:"report,omitempty"`
}

// maxText bounds what others make us say, in bytes.
const maxText = 300

// notes collects the findings about one route, or about the gateway.
type notes struct {
	route string
	list  []Finding
}

func (n *notes) ok(check, format string, args ...any) {
	n.add(Finding{Check: check, Result: OK, Text: fmt.Sprintf(format, args...)})
}

func (n *notes) unknown(check, format string, args ...any) {
	n.add(Finding{Check: check, Result: Unknown, Text: fmt.Sprintf(format, args...)})
}

func (n *notes) warn(check, remedy, format string, args ...any) {
	n.add(Finding{Check: check, Result: Warning, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (n *notes) wrong(check, remedy, format string, args ...any) {
	n.add(Finding{Check: check, Result: Wrong, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (n *notes) add(f Finding) {
	f.Route, f.Text = n.route, oneLine(f.Text)
	n.list = append(n.list, f)
}

// oneLine bounds a text and takes the line breaks out of it.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if r := []rune(s); len(r) > maxText {
		s = string(r[:maxText]) + "…"
	}
	return s
}
