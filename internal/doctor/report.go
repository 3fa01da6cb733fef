package doctor

import (
	"strings"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// Report is what a live examination found out: names, numbers and yes or no. No
// secret, token, address, name or host is in it.
type Report struct {
	At    string `json:"at" yaml:"at"` // the day, UTC
	Slack string `json:"slack" yaml:"slack"`
	// Discovery is how Slack's discovery document differs from its documentation.
	Discovery   []string     `json:"discovery_differs" yaml:"discovery_differs"`
	TokenErrors []TokenError `json:"token_errors" yaml:"token_errors"`
	// Headers are the names of auth.test's answer.
	Headers  []string  `json:"response_headers" yaml:"response_headers"`
	Callback *Callback `json:"sign_in,omitempty" yaml:"sign_in,omitempty"`
	// Metadata is how much may stand beside a message; nil: it was not tried.
	Metadata *Limit `json:"metadata,omitempty" yaml:"metadata,omitempty"`
	// CreateLink is the length of the link that creates the route's app, in characters.
	CreateLink int `json:"create_link_length" yaml:"create_link_length"`
	// Answers are a person's: yes, no or unknown, by the question's id.
	Answers []Answer `json:"answers" yaml:"answers"`
	// Open is what was not found out, and why.
	Open []string `json:"open" yaml:"open"`
}

func (r *Report) leave(what ...string) {
	for _, one := range what {
		r.Open = append(r.Open, oneLine(one))
	}
}

// TokenError is how the token endpoint answers a mistake.
type TokenError struct {
	Cause  string `json:"cause" yaml:"cause"`
	Status int    `json:"status" yaml:"status"` // of HTTP; 0: no answer
	Error  string `json:"error" yaml:"error"`   // Slack's word
}

// Callback is how a sign-in came back.
type Callback struct {
	Method        string   `json:"method" yaml:"method"`
	Query         []string `json:"query" yaml:"query"`               // names of parameters in the address
	Form          []string `json:"form" yaml:"form"`                 // and in the body
	TokenFields   []string `json:"token_fields" yaml:"token_fields"` // besides access_token and id_token
	Claims        []string `json:"claims" yaml:"claims"`             // names of those of the ID token
	Picture       bool     `json:"picture" yaml:"picture"`
	Enterprise    bool     `json:"enterprise_id" yaml:"enterprise_id"`
	Team          string   `json:"team_id" yaml:"team_id"` // the route's, another, or missing
	AskedUserInfo bool     `json:"asked_user_info" yaml:"asked_user_info"`
	Outcome       string   `json:"outcome" yaml:"outcome"` // signed_in, or the page that refused
}

func newCallback(seen gateway.Witnessed) *Callback {
	c := &Callback{Method: clean(seen.Method), Query: cleanAll(seen.Query), Form: cleanAll(seen.Form), TokenFields: cleanAll(seen.Fields),
		Team: seen.Team, AskedUserInfo: seen.UserInfo, Outcome: seen.Outcome}
	for _, name := range seen.Claims {
		c.Claims = append(c.Claims, claimName(name))
		c.Picture = c.Picture || name == "picture"
		c.Enterprise = c.Enterprise || name == "https://slack.com/enterprise_id"
	}
	return c
}

// claimName keeps the addresses that claims are named by.
func claimName(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = clean(part)
	}
	return oneLine(strings.Join(parts, "/"))
}

func cleanAll(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, clean(s))
	}
	return out
}

// Limit is the most that was taken.
type Limit struct {
	KiB   int    `json:"kib" yaml:"kib"`
	More  bool   `json:"more" yaml:"more"`                       // nothing larger was tried
	Error string `json:"error,omitempty" yaml:"error,omitempty"` // Slack's word beyond it
}

// Question is one that only a person can answer, with yes or no.
type Question struct {
	ID   string `json:"id"`
	Text string `json:"text"`
	Link string `json:"link,omitempty"` // to open first
}

// Answer is what they say.
type Answer struct {
	ID     string `json:"id" yaml:"id"`
	Answer string `json:"answer" yaml:"answer"`
}
