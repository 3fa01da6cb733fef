package admin

import (
	"context"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// PersonRequest is the body of POST /people/export and of POST /people/erase.
type PersonRequest struct {
	Operator
	Host   string `json:"host"`
	Person string `json:"person"`           // an e-mail address or a Slack user id
	Cursor string `json:"cursor,omitempty"` // of an export: Next of the page before
}

// PersonExport is the answer of POST /people/export: what is kept of a person on
// a route, on as many pages as their notifications take.
type PersonExport struct {
	Host          string                  `json:"host"`
	Person        string                  `json:"person"` // as asked
	At            time.Time               `json:"at"`
	Gateway       *gateway.PersonExport   `json:"gateway,omitempty"` // on the first page
	Notifications notifyhook.PersonExport `json:"notifications"`
}

// PersonErased is the answer of POST /people/erase: how much of it is gone.
type PersonErased struct {
	Gateway       gateway.Erased    `json:"gateway"`
	Notifications notifyhook.Erased `json:"notifications"`
}

// exportPerson is POST /people/export. That it was asked for is audited: the
// answer is all that anybody may know of somebody.
func (cfg Config) exportPerson(ctx context.Context, p PersonRequest) (PersonExport, error) {
	s, err := cfg.Gateway.Subject(ctx, p.Host, p.Person)
	if err != nil {
		return PersonExport{}, err
	}
	e := PersonExport{Host: s.Route, Person: p.Person, At: time.Now().UTC()}
	if p.Cursor == "" {
		known, err := cfg.Gateway.ExportPerson(ctx, s)
		if err != nil {
			return e, err
		}
		e.Gateway = &known
		if err := cfg.Gateway.Audit(ctx, p.By, "people.exported", s.Route); err != nil {
			return e, err
		}
	}
	e.Notifications, err = cfg.Relay.ExportPerson(ctx, s.Route, s.Names(), p.Cursor)
	return e, err
}

// erasePerson is POST /people/erase. The gateway comes last: by what it knows,
// a second time still finds whom the first did not get through with.
func (cfg Config) erasePerson(ctx context.Context, p PersonRequest) (any, error) {
	s, err := cfg.Gateway.Subject(ctx, p.Host, p.Person)
	if err != nil {
		return nil, err
	}
	var done PersonErased
	if done.Notifications, err = cfg.Relay.ErasePerson(ctx, s.Route, s.Names()); err != nil {
		return nil, err
	}
	done.Gateway, err = cfg.Gateway.ErasePerson(ctx, s, p.By)
	return done, err
}
