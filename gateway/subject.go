package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cocoom/cocoom-gateway/policy"
)

// Subject is one person of one route, by every name that the gateway knows them
// by: whom an operator means who exports or erases what is kept of them.
type Subject struct {
	Route  string   // its host
	Users  []string // Slack user ids, and the one that a break-glass link would make of an address
	Emails []string // in lower case
}

// Names are all of them.
func (s Subject) Names() []string { return slices.Concat(s.Users, s.Emails) }

// Subject finds out whom an e-mail address or a Slack user id means on a route.
// Who never signed in is a subject too, known by that name alone. ErrSelection
// is in the error's chain for a route that is not there, for what is no name,
// and for an address that several people have had: then only an id says which of
// them is meant.
func (g *Gateway) Subject(ctx context.Context, host, emailOrID string) (Subject, error) {
	rt := g.routes().find(host)
	if rt == nil {
		return Subject{}, fmt.Errorf("%w: there is no route %s", ErrSelection, clip(host, 100))
	}
	s := Subject{Route: rt.Host}
	user := emailOrID
	if email := strings.TrimPrefix(emailOrID, emergencyPrefix); plausibleEmail(email) {
		s.Emails = []string{policy.LowerASCII(email)}
		users, err := g.texts(ctx, `SELECT user_id FROM person WHERE route = $1 AND lower(email) = $2
			UNION SELECT user_id FROM session WHERE route = $1 AND lower(email) = $2`, rt.Host, s.Emails[0])
		if err != nil {
			return s, fmt.Errorf("find person: %w", err)
		}
		users = slices.DeleteFunc(users, func(id string) bool { return strings.HasPrefix(id, emergencyPrefix) })
		if len(users) > 1 {
			return s, fmt.Errorf("%w: several people have had this address: say a user id, one of %s", ErrSelection, strings.Join(users, ", "))
		}
		user = strings.Join(users, "")
	} else if !plausibleID(emailOrID) {
		return s, fmt.Errorf("%w: %q is neither an e-mail address nor a user id", ErrSelection, clip(emailOrID, 100))
	}
	if user != "" {
		if err := g.alsoKnownAs(ctx, &s, user); err != nil {
			return s, fmt.Errorf("find person: %w", err)
		}
	}
	for _, email := range s.Emails {
		s.Users = append(s.Users, emergencyID(email))
	}
	return s, nil
}

// alsoKnownAs adds a user and their addresses. One that they had before is
// theirs only as long as it is not somebody else's now.
func (g *Gateway) alsoKnownAs(ctx context.Context, s *Subject, user string) error {
	s.Users = append(s.Users, user)
	emails, err := g.texts(ctx, `SELECT email FROM person WHERE route = $1 AND user_id = $2
		UNION SELECT f.email FROM (SELECT first_email AS email FROM person WHERE route = $1 AND user_id = $2
			UNION SELECT email FROM session WHERE route = $1 AND user_id = $2) AS f
			WHERE NOT EXISTS (SELECT 1 FROM person o WHERE o.route = $1 AND o.user_id <> $2 AND lower(o.email) = lower(f.email))`, s.Route, user)
	for _, email := range emails {
		if email = policy.LowerASCII(email); email != "" && !slices.Contains(s.Emails, email) {
			s.Emails = append(s.Emails, email)
		}
	}
	return err
}

// texts reads a query's only column.
func (g *Gateway) texts(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := g.cfg.Store.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// namedIn reports whether a text names the subject: one of the names stands in
// it as a whole, not as a part of a longer one.
func (s Subject) namedIn(text string) bool {
	return s.blot(text) != strings.ToValidUTF8(text, "")
}

// blot is the text with "erased" for each name.
func (s Subject) blot(text string) string {
	text = strings.ToValidUTF8(text, "")
	for _, name := range s.Names() {
		for _, spelling := range []string{name, inJSON(name)} {
			text = blotOne(text, policy.LowerASCII(spelling))
		}
	}
	return text
}

func blotOne(text, name string) string {
	folded := policy.LowerASCII(text) // byte for byte as long
	var out strings.Builder
	rest := 0
	for at := 0; name != ""; {
		i := strings.Index(folded[at:], name)
		if i < 0 {
			break
		}
		begin := at + i
		end := begin + len(name)
		at = begin + 1
		if begin > 0 && inName(folded[begin-1]) || end < len(folded) && inName(folded[end]) {
			continue
		}
		out.WriteString(text[rest:begin] + "erased")
		rest, at = end, end
	}
	out.WriteString(text[rest:])
	return out.String()
}

// inName says whether a byte may stand in an address or an id.
func inName(b byte) bool {
	return b >= 0x80 || 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || strings.IndexByte("._%+-@", b) >= 0
}

// inJSON is a text as it stands in a JSON string.
func inJSON(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		return s
	}
	return string(raw[1 : len(raw)-1])
}
