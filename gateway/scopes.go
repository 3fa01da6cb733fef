package gateway

// ScopeUse is a bot scope and what needs it.
type ScopeUse struct {
	Scope  string
	Breaks string // what does not work without it
}

// ScopeUses are the bot scopes by which people are told apart at sign-in and
// afterwards (https://docs.slack.dev/reference/scopes); usergroups says whether
// a policy names any.
func ScopeUses(usergroups bool) []ScopeUse {
	uses := []ScopeUse{
		{"users:read", "guests and deactivated people cannot be told from members: nobody can sign in"},
		{"users:read.email", "changes of people's e-mail addresses"},
	}
	if usergroups {
		uses = append(uses, ScopeUse{"usergroups:read", "usergroups are unknown: rules that name them deny"})
	}
	return uses
}
