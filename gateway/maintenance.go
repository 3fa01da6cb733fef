package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/policy"
)

const (
	maxMessage = 500 // characters of an operator's message
	// comeBack is the Retry-After while nobody knows when maintenance ends.
	comeBack = 5 * time.Minute
)

// Maintenance shows a page instead of a route's app. In YAML it may be just
// true. nil is no maintenance.
type Maintenance struct {
	On bool `yaml:"-"` // false only as "maintenance: false"

	// Message is said on the page, beside or instead of our own words.
	Message string `yaml:"message"`
	// MessageFR is the message for people who read French; empty: Message.
	MessageFR string `yaml:"message_fr"`
	// Until is when people may come back, as the page and Retry-After tell. It
	// ends nothing: an app that is not ready must not be opened by a clock.
	Until time.Time `yaml:"until"`
	// Allow names who passes all the same, to try the app.
	Allow MaintenanceAllow `yaml:"allow"`
}

// MaintenanceAllow is who passes during maintenance, where policy lets them:
// whoever fulfils one of the conditions.
type MaintenanceAllow struct {
	CIDRs  []netip.Prefix `yaml:"cidrs"`  // networks that the client's address is in
	Emails []string       `yaml:"emails"` // those of people who are signed in; compared without regard to case
}

// UnmarshalYAML reads true, false or the long form through unmarshal, which
// decodes the YAML node into what it is given. Its error says which forms there
// are; what is wrong inside a map, unmarshal finds.
func (m *Maintenance) UnmarshalYAML(unmarshal func(any) error) error {
	var on bool
	if unmarshal(&on) == nil {
		*m = Maintenance{On: on}
		return nil
	}
	type long Maintenance // without this method
	l := long{On: true}
	if unmarshal(&l) != nil {
		return errors.New("must be true, false, or a map such as {message: …}")
	}
	*m = Maintenance(l)
	return nil
}

// Validate reports every mistake in m with its key.
func (m *Maintenance) Validate(report func(key, text string)) {
	for key, text := range map[string]string{"message": m.Message, "message_fr": m.MessageFR} {
		if len([]rune(text)) > maxMessage || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' }) {
			report(key, fmt.Sprintf("must be plain text of at most %d characters", maxMessage))
		}
	}
	if m.Message == "" && m.MessageFR != "" {
		report("message", "is missing beside message_fr: write what the others read")
	}
	if rules := m.Allow.rules(); rules != nil {
		policy.Validate(rules, func(key, text string) { report(strings.TrimPrefix(key, "[0]."), text) })
	}
}

// rules are the conditions as policy knows them; nil if there are none.
func (a MaintenanceAllow) rules() []policy.Rule {
	if a.CIDRs == nil && a.Emails == nil {
		return nil
	}
	return []policy.Rule{{Path: "/**", Allow: policy.Allow{CIDRs: a.CIDRs, Emails: a.Emails}}}
}

// holds reports whether maintenance keeps the asker out.
func (rt *Route) holds(a asker) bool {
	if rt.Maintenance == nil || !rt.Maintenance.On {
		return false
	}
	return rt.testers.Decide(policy.Request{Path: "/", Addr: a.addr}, a.who).Verdict != policy.Allowed
}

// refusal is the answer during maintenance; its one step is to try again.
func (m *Maintenance) refusal(rt *Route, r *http.Request, now time.Time) *refusal {
	wait := comeBack
	if m.Until.After(now) {
		wait = m.Until.Sub(now).Round(time.Second)
	}
	again := *errMaintenance
	again.retry = strconv.Itoa(max(1, int(wait.Seconds())))
	again.link = rt.Origin + returnPath(r.URL)
	if classOf(r) == submission {
		again.link = rt.Origin + refererPath(rt, r)
	}
	return &again
}

// say adds the operator's words to ours, and when people may come back.
func (m *Maintenance) say(t text, lang string, now time.Time) text {
	message := m.Message
	if lang == "fr" && m.MessageFR != "" {
		message = m.MessageFR
	}
	if message != "" {
		t.Text = strings.FieldsFunc(message, func(r rune) bool { return r == '\n' })
	}
	if m.Until.After(now) {
		t.Text = append(t.Text, labels[lang]["back_at"]+" "+moment(m.Until, lang)+".")
	}
	return t
}

// moment writes a time as people read it, in the zone that it was given in.
func moment(t time.Time, lang string) string {
	zone := t.Format("MST")
	if zone[0] == '+' || zone[0] == '-' {
		zone = "UTC" + t.Format("-07:00")
	}
	if lang == "fr" {
		return t.Format("02/01/2006 à 15:04") + " (" + zone + ")"
	}
	return t.Format("2 January 2006, 15:04") + " (" + zone + ")"
}
