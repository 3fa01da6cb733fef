package proxy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/policy"
)

// account is what is entered into the app's login form.
type account struct {
	User     string        `yaml:"user"`
	Password secret.String `yaml:"password"`
}

// accountOf gives the account of a person; false if there is none.
func (f *formLogin) accountOf(id *policy.Identity) (account, bool) {
	if f.accounts != nil {
		a, ok := f.accounts[id.User]
		if !ok {
			a, ok = f.accounts[strings.ToLower(id.Email)]
		}
		return a, ok
	}
	a := account{User: id.Email, Password: f.cfg.Password}
	switch f.cfg.User {
	case "id":
		a.User = id.User
	case "local_part":
		local, domain, _ := strings.Cut(id.Email, "@")
		if a.User = local; !strings.EqualFold(domain, f.cfg.EmailDomain) {
			a.User = ""
		}
	}
	if f.cfg.DeriveFrom != "" {
		a.Password = secret.String(derivePassword(formLabel, f.cfg.DeriveFrom, id))
	}
	// A name with control characters cannot come out as somebody else's so.
	return a, a.User != "" && !hasControl(secret.String(a.User))
}

// parseAccounts reads Form.Accounts. Its error names lines, and never what
// stands there.
func parseAccounts(text secret.String) (map[string]account, error) {
	file, err := parser.ParseBytes([]byte(text.Reveal()), 0)
	if err != nil {
		var e yaml.Error
		if errors.As(err, &e) && e.GetToken() != nil {
			return nil, fmt.Errorf("cannot be read as YAML: line %d", e.GetToken().Position.Line)
		}
		return nil, errors.New("cannot be read as YAML")
	}
	if len(file.Docs) != 1 {
		return nil, errors.New("is not one YAML document")
	}
	var entries []*ast.MappingValueNode
	switch body := file.Docs[0].Body.(type) {
	case *ast.MappingNode:
		entries = body.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{body}
	default:
		return nil, errors.New("is no map from e-mail address or Slack user id to {user: …, password: …}")
	}
	accounts := make(map[string]account, len(entries))
	for _, e := range entries {
		line := e.Key.GetToken().Position.Line
		var who string
		var a account
		if yaml.NodeToValue(e.Key, &who) != nil || yaml.NodeToValue(e.Value, &a, yaml.Strict()) != nil {
			return nil, fmt.Errorf("line %d is no entry such as lea@agrafmania.fr: {user: …, password: …}", line)
		}
		if strings.Contains(who, "@") {
			who = strings.ToLower(who)
		}
		switch _, twice := accounts[who]; {
		case twice:
			return nil, fmt.Errorf("line %d has the person of an earlier one: keep one", line)
		case who == "" || a.User == "" || a.Password == "":
			return nil, fmt.Errorf("line %d lacks the user or the password", line)
		case hasControl(a.Password) || hasControl(secret.String(a.User)):
			return nil, fmt.Errorf("line %d has a control character, such as a newline, in the user or the password", line)
		}
		accounts[who] = a
	}
	if len(accounts) == 0 {
		return nil, errors.New("names nobody")
	}
	return accounts, nil
}
