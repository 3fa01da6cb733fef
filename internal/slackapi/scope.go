package slackapi

// Scope is what a Slack app may be granted
// (https://docs.slack.dev/reference/scopes), and what it is for.
type Scope struct {
	Name string `json:"scope"`
	// Breaks is what does not work without it.
	Breaks string `json:"breaks"`
	// Optional says that only some who use the function miss it.
	Optional bool `json:"optional,omitempty"`
}
