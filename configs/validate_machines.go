package configs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// serviceTokens looks at the tokens, and whether they and the rules name each
// other.
func (v *validator) serviceTokens(s spot) {
	gateway.ValidateServiceTokens(s.ServiceTokens, s.under("service_tokens"))
	unused := make(map[string]int, len(s.ServiceTokens))
	for i, t := range s.ServiceTokens {
		unused[t.ID] = i
		for j, path := range t.Paths {
			if v.reserved(s, path) {
				s.mistake(fmt.Sprintf("service_tokens[%d].paths[%d]", i, j), "is a page of the gateway's own, and those take no service token: write a path of the app, such as /cron/*")
			}
		}
	}
	known := func(id string) bool {
		return slices.ContainsFunc(s.ServiceTokens, func(t gateway.ServiceToken) bool { return t.ID == id })
	}
	for i := range s.Policy {
		for j, id := range s.Policy[i].Allow.ServiceTokens {
			delete(unused, id)
			if !known(id) && !s.mistaken("service_tokens") {
				s.mistake(fmt.Sprintf("policy[%d].allow.service_tokens[%d]", i, j),
					fmt.Sprintf("%q is no id among the route's service_tokens: make one with: cocoom-gateway tokens new", id))
			}
		}
	}
	for id, i := range unused {
		if s.policyMistaken() {
			break // the rule that names it may be the mistaken one
		}
		s.mistake(fmt.Sprintf("service_tokens[%d].id", i),
			fmt.Sprintf("%q opens nothing, since no rule names it: add a rule with allow: {service_tokens: [%s]}, or remove the token", id, id))
	}
	if s.Notify == nil {
		return
	}
	for i, c := range s.Notify.BearerTokens {
		if strings.HasPrefix(c.Value.Reveal(), gateway.ServiceTokenPrefix) {
			s.mistake(fmt.Sprintf("notify.bearer_tokens[%d]", i),
				"begins as service tokens do, which the webhook does not take: make another one, for example with: openssl rand -hex 24")
		}
	}
}

// policyMistaken tells whether some of the route's policy could not be read.
func (s spot) policyMistaken() bool {
	key := join(s.doc.keyOf(s.index), "policy")
	for mistaken := range s.doc.mistaken {
		if mistaken == key || strings.HasPrefix(mistaken, key+"[") {
			return true
		}
	}
	return false
}

func (v *validator) maintenance(s spot) {
	if s.Maintenance == nil {
		return
	}
	s.Maintenance.Validate(s.under("maintenance"))
	if len(s.Maintenance.Allow.Emails) > 0 && s.Login == nil {
		s.mistake("maintenance.allow.emails", "asks who a person is, but the route has no login: name addresses by cidrs")
	}
}
