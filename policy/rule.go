package policy

import (
	"errors"
	"fmt"
	"net/netip"
)

// Rule is one line of a route's policy: which requests it is about, and who
// may make them. The zero Rule matches nothing and allows nobody.
type Rule struct {
	// Path is a pattern over the normalised path: "/admin/*" is /admin and all
	// beneath it, "*" elsewhere is one segment, "**" any number of them.
	Path string `yaml:"path"`
	// Methods are the HTTP methods the rule is about; none means every method.
	// GET includes HEAD, which servers answer by the same code.
	Methods []string `yaml:"methods"`
	// Query holds parameters that must be there: the rule matches when any
	// occurrence of each key, decoded as PHP would, has the value. Such a rule
	// may only narrow, so it cannot be public. It does not see form bodies.
	// Values are compared byte for byte: an app that takes "01" or "1 " for 1
	// needs a rule for the path that narrows all of it.
	Query map[string]string `yaml:"query"`
	// Allow says who may pass.
	Allow Allow `yaml:"allow"`
}

// Allow says whom a rule lets pass: everybody, members, nobody, or whoever
// fulfils one of the conditions. In YAML it is one of the words "public",
// "members" and "deny", or a map of conditions. The zero value lets nobody pass.
type Allow struct {
	Public  bool `yaml:"-"`
	Members bool `yaml:"-"`
	Deny    bool `yaml:"-"`

	Users         []string       `yaml:"users"`          // Slack user ids
	Emails        []string       `yaml:"emails"`         // e-mail addresses, compared without regard to case
	EmailDomains  []string       `yaml:"email_domains"`  // exact domains of e-mail addresses, never suffixes
	Usergroups    []string       `yaml:"usergroups"`     // handles, without @, or ids (S…)
	Admins        bool           `yaml:"admins"`         // workspace admins and owners
	Guests        bool           `yaml:"guests"`         // guests of the workspace
	CIDRs         []netip.Prefix `yaml:"cidrs"`          // networks that the client's address is in
	ServiceTokens []string       `yaml:"service_tokens"` // ids of service tokens
}

const allowWords = "public, members, deny or a map of conditions"

// UnmarshalYAML reads the word or the map of conditions through unmarshal,
// which decodes the YAML node into what it is given. Its error names a word that
// does not exist, or says which forms there are; what is wrong inside a map,
// unmarshal finds.
func (a *Allow) UnmarshalYAML(unmarshal func(any) error) error {
	var word string
	if unmarshal(&word) == nil {
		return a.setWord(word)
	}
	type conditions Allow // without this method, which would call itself
	var c conditions
	if unmarshal(&c) != nil {
		return errors.New("allow is " + allowWords)
	}
	*a = Allow(c)
	return nil
}

func (a *Allow) setWord(word string) error {
	switch word {
	case "public":
		*a = Allow{Public: true}
	case "members":
		*a = Allow{Members: true}
	case "deny":
		*a = Allow{Deny: true}
	default:
		return fmt.Errorf("unknown word %q; allow is %s", word, allowWords)
	}
	return nil
}
