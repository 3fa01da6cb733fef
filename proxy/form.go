package proxy

import (
	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// Form signs each person in at the app's own login form, and hands the app's
// cookies on to the browser. Exactly one of Password, DeriveFrom and Accounts
// is set.
//
// A request without the app's session is signed in before it is sent. One whose
// answer shows that the app's session has expired is signed in again and
// repeated: by the gateway if it is GET or HEAD without a body, or can
// be read again (GetBody), else by the browser, which is answered 307 to the same address. So no
// body is ever held.
type Form struct {
	// URL is the path of the page with the form, with a query where the app
	// needs one, such as "/login.php" or "/index.php?page=login".
	URL string `yaml:"url"`
	// Action is where the form is sent to; empty: where the form itself says.
	// Either way it is the route's own app.
	Action string `yaml:"action"`
	// UsernameField is the name of the user's field; empty: the text field that
	// stands before that of the password.
	UsernameField string `yaml:"username_field"`
	// PasswordField is the name of the password's field; empty: the only field
	// of type password.
	PasswordField string `yaml:"password_field"`
	// Fields are sent besides, and instead of what the form holds under the
	// same names. What else the form holds, hidden fields above all, is sent as
	// a browser would.
	Fields map[string]string `yaml:"fields"`
	// User is what is entered as the user's name: "email" (default), "id" or
	// "local_part", which is what stands before the @.
	User string `yaml:"user"`
	// EmailDomain is needed for "local_part", since the same name may stand
	// before the @ of two people: only those of this domain are signed in.
	EmailDomain string `yaml:"email_domain"`
	// Password is the same for everybody.
	Password secret.String `yaml:"password"`
	// DeriveFrom is a route secret of at least 32 bytes. Each person's password
	// is HMAC-SHA256 with it over "cocoom-gateway form password", the Slack team
	// id and the Slack user id, each with its length before it as 8 bytes, most
	// significant first; written in unpadded base64url (43 characters).
	DeriveFrom secret.String `yaml:"derive_from"`
	// Accounts is a YAML map from e-mail address or Slack user id to
	// {user: …, password: …}. Who is not in it has no account.
	Accounts secret.String `yaml:"accounts"`
	// Cookies names the cookies that hold the app's session, at most 8. A
	// request with one of them is not signed in first.
	Cookies AppCookies  `yaml:"cookies"`
	Success FormSuccess `yaml:"success"`
	Failure FormFailure `yaml:"failure"`
	Expired FormExpired `yaml:"expired"`
}

// FormSuccess says what must be true of a successful login, besides what always
// must: the app has set one of the session's cookies, and the page behind all
// redirects neither holds the login form nor is an error. Empty: nothing more.
type FormSuccess struct {
	Cookie   string `yaml:"cookie"`   // a cookie that is set by the login
	Location string `yaml:"location"` // how the path begins that the login's answer redirects to
}

// FormFailure says what gives a failed login away, besides that it is no
// successful one. Empty: nothing more.
type FormFailure struct {
	Text string `yaml:"text"` // what stands in the page that the login leads to
}

// FormExpired says how an answer shows that the app's session has expired.
// Empty: it redirects to the path of the login form, and the form does stand
// there.
type FormExpired struct {
	// Location is a path, with a query where the app needs one, to which the
	// app redirects for no other reason: whether the form stands there is not
	// looked at.
	Location string `yaml:"location"`
	// Status are statuses (400 to 499) that mean nothing else.
	Status []int `yaml:"status"`
	// Form: the app answers with the login form itself. HTML is then held back
	// until 64 KiB of it have come, to be looked at.
	Form bool `yaml:"form"`
}
