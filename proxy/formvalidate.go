package proxy

import (
	"fmt"
	"net/url"
	"strings"
)

// maxFormCookies is of Form.Cookies; each request is looked through for them.
const maxFormCookies = 8

// validate reports every mistake.
func (f *Form) validate(report func(key, text string)) {
	path := func(key, value, example string) {
		if value != "" && !isLocalAddress(value) {
			report(key, "is no path of the app; write one such as "+example)
		}
	}
	if f.URL == "" {
		report("url", "is missing; write the path of the page with the login form, such as /login.php")
	}
	path("url", f.URL, "/login.php")
	path("action", f.Action, "/login.php, or leave it out for what the form itself says")
	path("success.location", f.Success.Location, "/home")
	path("expired.location", f.Expired.Location, "/login.php")
	f.validateCredentials(report)
	f.validateCookies(report)
	for name := range f.Fields {
		if name == "" || name == f.UsernameField || name == f.PasswordField {
			report("fields", "names no field, or that of the user or the password; those are filled in by themselves")
		}
	}
	if f.UsernameField != "" && f.UsernameField == f.PasswordField {
		report("password_field", "is that of the user too; write another")
	}
	for _, status := range f.Expired.Status {
		if status < 400 || status > 499 {
			report("expired.status", fmt.Sprintf("%d says something else than that somebody is not signed in; write such as 401", status))
		}
	}
}

// isLocalAddress reports whether s is a path with or without a query.
func isLocalAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && u.Host == "" && u.Fragment == "" &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' || r == '#' })
}

func (f *Form) validateCredentials(report func(key, text string)) {
	given := 0
	for _, s := range []string{f.Password.Reveal(), f.DeriveFrom.Reveal(), f.Accounts.Reveal()} {
		if s != "" {
			given++
		}
	}
	switch {
	case given == 0:
		report("", "has no password; write password, the same for everybody, derive_from, a secret that each person's is made of, or accounts, a file with everybody's")
	case given > 1:
		report("", "has more than one of password, derive_from and accounts; write one of them")
	case f.DeriveFrom != "" && len(f.DeriveFrom) < minSecret:
		report("derive_from", fmt.Sprintf("has fewer than %d bytes; write env:NAME or file:PATH of a longer one", minSecret))
	case hasControl(f.Password):
		report("password", "contains a control character, such as the newline at a file's end; remove it")
	case f.Accounts != "":
		if _, err := parseAccounts(f.Accounts); err != nil {
			report("accounts", err.Error())
		}
		if f.User != "" {
			report("user", "stands beside accounts, which name the users; remove it")
		}
	}
	switch f.User {
	case "", "email", "id", "local_part":
	default:
		report("user", fmt.Sprintf("%q is unknown; write email, id or local_part", f.User))
	}
	switch {
	case f.User == "local_part" && f.EmailDomain == "":
		report("email_domain", "is missing; the same name may stand before the @ of two people, so write whose domain is meant, such as agrafmania.fr")
	case f.User != "local_part" && f.EmailDomain != "":
		report("email_domain", "goes with user: local_part only; remove it")
	case strings.ContainsAny(f.EmailDomain, "@ "):
		report("email_domain", "is no domain; write one such as agrafmania.fr")
	}
}

func (f *Form) validateCookies(report func(key, text string)) {
	switch n := len(f.Cookies); {
	case n == 0:
		report("cookies", "is missing; write the names of the cookies that hold the app's session, such as [PHPSESSID]")
	case n > maxFormCookies:
		report("cookies", fmt.Sprintf("has more than %d names; write those that hold the app's session", maxFormCookies))
	}
	f.Cookies.Validate(func(key, text string) { report("cookies"+key, text) })
	if f.Success.Cookie != "" {
		AppCookies{f.Success.Cookie}.Validate(func(_, text string) { report("success.cookie", text) })
	}
}
