package gateway

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// maxWitnessedBody bounds a callback's body that is read for its names.
const maxWitnessedBody = 64 << 10

// Witnessed is how one sign-in came back from Slack: names alone, never a value.
type Witnessed struct {
	Method string   // of the callback
	Query  []string // names of its parameters in the address
	Form   []string // and in the body
	Fields []string // known fields of the token's answer, besides access_token and id_token
	Claims []string // of the ID token; nil: it did not come so far
	// Team says whose workspace the ID token is of: "the route's", "another" or
	// "missing".
	Team     string
	UserInfo bool   // the ID token did not suffice
	Outcome  string // "signed_in", or why not: the code of the page
}

// witnesses are who waits to learn how the next sign-in on a host goes. The zero
// value is ready.
type witnesses struct {
	mu   sync.Mutex
	wait map[string]*witness // by host
}

type witness struct {
	seen Witnessed
	told chan Witnessed // holds one
}

// Witness tells of the next sign-in on a host that comes back to this process,
// whoever it is. stop ends the waiting. A host can have one witness at a time.
func (g *Gateway) Witness(host string) (told <-chan Witnessed, stop func(), err error) {
	rt := g.routes().find(host)
	if rt == nil || rt.Login == nil {
		return nil, nil, fmt.Errorf("no route %s has login", host)
	}
	w := &witness{told: make(chan Witnessed, 1)}
	all := g.logins.witnesses
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.wait[rt.Host] != nil {
		return nil, nil, fmt.Errorf("somebody is looking at sign-ins on %s already", rt.Host)
	}
	if all.wait == nil {
		all.wait = map[string]*witness{}
	}
	all.wait[rt.Host] = w
	return w.told, func() {
		all.mu.Lock()
		defer all.mu.Unlock()
		if all.wait[rt.Host] == w {
			delete(all.wait, rt.Host)
		}
	}, nil
}

// sees notes a callback as it comes.
func (all *witnesses) sees(rt *Route, w http.ResponseWriter, r *http.Request) {
	all.mu.Lock()
	watched := all.wait[rt.Host] != nil
	all.mu.Unlock()
	if !watched {
		return
	}
	seen := Witnessed{Method: r.Method, Query: names(r.URL.Query())}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxWitnessedBody)
		if r.ParseForm() == nil {
			seen.Form = names(r.PostForm)
		}
	}
	all.note(rt, func(at *witness) { at.seen = seen })
}

func names(values url.Values) []string { return slices.Sorted(maps.Keys(values)) }

// hears notes what the code was exchanged for.
func (all *witnesses) hears(rt *Route, c claims) {
	all.note(rt, func(at *witness) {
		at.seen.Claims, at.seen.UserInfo = c.names, c.asked
		for _, field := range []string{"refresh_token", "expires_in", "state", "team", "enterprise", "scope"} {
			if c.token.Extra(field) != nil {
				at.seen.Fields = append(at.seen.Fields, field)
			}
		}
		switch c.Team {
		case "":
			at.seen.Team = "missing"
		case rt.Workspace:
			at.seen.Team = "the route's"
		default:
			at.seen.Team = "another"
		}
	})
}

// tells ends a callback; one that Slack has answered nothing to is no sign-in,
// such as of somebody who has a session.
func (all *witnesses) tells(rt *Route, err error) {
	all.note(rt, func(at *witness) {
		switch {
		case err != nil:
			at.seen.Outcome = cmp.Or(asRefusal(err).code, "failed")
		case at.seen.Claims == nil:
			return
		default:
			at.seen.Outcome = "signed_in"
		}
		at.told <- at.seen
		delete(all.wait, rt.Host)
	})
}

func (all *witnesses) note(rt *Route, what func(*witness)) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if at := all.wait[rt.Host]; at != nil {
		what(at)
	}
}
