package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/policy"
)

// explainPatience is how long explain waits for a gateway to say who somebody is.
const explainPatience = 3 * time.Second

// unknownUser stands for the id of a person of whom only the address is given:
// an id that no rule can name.
const unknownUser = "?"

// identify fills in who asks: what the running gateway knows of the person in
// --as, and what the flags say instead. No gateway is no error: the flags remain.
func (a *asked) identify(ctx context.Context, running operators, q *gateway.Question) {
	if a.as == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, explainPatience)
	defer cancel()
	var known admin.Person
	query := url.Values{"host": {q.Host}, "person": {cmp.Or(a.user, a.as)}}
	if err := running.get(ctx, "/people?"+query.Encode(), &known); err != nil {
		a.source = "only the command line says who this is: " + err.Error()
		known = admin.Person{User: a.as}
		if strings.Contains(a.as, "@") {
			known = admin.Person{User: unknownUser, Email: a.as}
		}
	} else {
		a.source = fmt.Sprintf("the gateway that runs at %s says who this is", running)
	}
	q.Refused = known.Refused
	a.who = a.person(known)
	q.Who = a.who
}

// person is the identity that is known, but for what the flags say.
func (a *asked) person(known admin.Person) *policy.Identity {
	id := policy.Identity{
		User: cmp.Or(a.user, known.User), Email: known.Email, Name: known.Name,
		Groups: known.Groups, GroupIDs: known.GroupIDs, Admin: known.Admin, Guest: known.Guest,
	}
	if a.user != "" && strings.Contains(a.as, "@") {
		id.Email = a.as
	}
	if a.said("groups") {
		id.GroupIDs = nil
		id.Groups = strings.FieldsFunc(a.groups, func(r rune) bool { return r == ',' || r == ' ' })
		if id.Groups == nil {
			id.Groups = []string{}
		}
	}
	if a.said("is-admin") {
		id.Admin = a.admin
	}
	if a.said("is-guest") {
		id.Guest = a.guest
	}
	return &id
}
