package admin

import (
	"context"
	"net/url"
)

// Person is who somebody is on a route, and whom their requests are decided for.
type Person struct {
	User     string   `json:"user_id"`
	Email    string   `json:"email"`
	Name     string   `json:"name"`
	Groups   []string `json:"groups"`    // handles of their usergroups; null: unknown
	GroupIDs []string `json:"group_ids"` // ids of the same
	Admin    bool     `json:"admin"`     // or owner of the workspace
	Guest    bool     `json:"guest"`
	Refused  string   `json:"refused,omitempty"` // the code of what keeps them out at sign-in already
}

// GroupsKnown tells that a person is in no usergroup from that nobody knows.
func (p Person) GroupsKnown() bool { return p.Groups != nil }

// person is GET /people?host=&person=.
func (cfg Config) person(ctx context.Context, query url.Values) (Person, error) {
	p, err := cfg.Gateway.Person(ctx, query.Get("host"), query.Get("person"))
	if err != nil {
		return Person{}, err
	}
	return Person{p.User, p.Email, p.Name, p.Groups, p.GroupIDs, p.Admin, p.Guest, p.Refused}, nil
}

// AcceptEmail is the body of POST /people/accept-email.
type AcceptEmail struct {
	Operator
	Host   string `json:"host"`
	Person string `json:"person"` // a Slack user id, or the address that Slack says now
}

// acceptEmail is POST /people/accept-email.
func (cfg Config) acceptEmail(ctx context.Context, a AcceptEmail) (any, error) {
	return nil, cfg.Gateway.AcceptEmail(ctx, a.Host, a.Person, a.By)
}
