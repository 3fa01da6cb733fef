package policy

import "net/netip"

// Identity is who makes a request: a person of a Slack workspace. Its zero
// value, like every Identity without a User, is nobody.
type Identity struct {
	Team  string // Slack team id
	User  string // Slack user id; unique within the team
	Email string // verified by Slack; empty: unknown
	Name  string // for people to read; never compared
	// Groups are the handles of the usergroups the person is in. nil means
	// unknown, which is not the same as none.
	Groups []string
	// GroupIDs are the ids (S…) of the same usergroups: unlike a handle, an id
	// is never another group's.
	GroupIDs []string
	Guest    bool // a guest of the workspace
	Admin    bool // an admin or owner of the workspace
}

// Verdict is what is to happen to a request. The zero value denies.
type Verdict uint8

// The verdicts, from the strictest to the mildest.
const (
	Deny    Verdict = iota // nobody, or not this person, may make the request
	Login                  // nobody is signed in, and somebody who is could be allowed
	Allowed                // the request may pass
)

// String returns "deny", "login" or "allow".
func (v Verdict) String() string {
	switch v {
	case Login:
		return "login"
	case Allowed:
		return "allow"
	}
	return "deny"
}

// Request is what a decision is made on besides the identity.
type Request struct {
	Method   string
	Path     string     // as NormalizePath returned it
	RawQuery string     // as it arrived, without "?"
	Addr     netip.Addr // the client's; the zero value is in no network
	// ServiceToken is the id of the valid service token the request carries;
	// empty: none.
	ServiceToken string
}

// Decision is a verdict and where it came from. The zero value denies.
type Decision struct {
	Verdict Verdict
	// Rule is the index of the rule that decided, -1 if none did.
	Rule int
	// Reason is one constant word for logs: "no_rule", "denied",
	// "not_allowed", "sign_in", "public", "member", "user", "email",
	// "email_domain", "usergroup", "admin", "guest", "cidr" or "service_token".
	Reason string
}
