package slacksim

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// args are a call's arguments as text. JSON objects and arrays stay JSON, as
// they would be in a form field.
type args map[string]string

// is reads a boolean argument.
func (a args) is(name string) bool { return a.isOr(name, false) }

// isOr reads a boolean argument that has a default.
func (a args) isOr(name string, missing bool) bool {
	switch strings.ToLower(a[name]) {
	case "":
		return missing
	case "1", "true":
		return true
	}
	return false
}

// withoutSecrets is what may be shown of them.
func (a args) withoutSecrets() url.Values {
	out := url.Values{}
	for k, v := range a {
		switch k {
		case "token", "client_secret", "code", "refresh_token", "code_verifier":
		default:
			out.Set(k, v)
		}
	}
	return out
}

// input is what a request carried.
type input struct {
	args     args
	token    string
	warnings []string
}

// readArgs reads query, form and JSON, and the token from the Authorization
// header or the parameter. Tokens and client secrets are not taken from a JSON
// body of methods that need a token; Slack wants them in the header there.
func readArgs(w http.ResponseWriter, r *http.Request, jsonAllowed bool) (input, *apiError) {
	in := input{args: args{}}
	for k, v := range r.URL.Query() {
		in.args[k] = v[len(v)-1]
	}
	media, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	var bad *apiError
	isJSON := false
	switch {
	case r.Method != http.MethodPost:
	case media == "application/x-www-form-urlencoded", media == "multipart/form-data":
		bad = in.readForm(r, media)
		if params["charset"] != "" && media == "application/x-www-form-urlencoded" {
			in.warnings = append(in.warnings, "superfluous_charset")
		}
	case media == "application/json":
		isJSON = true
		if params["charset"] == "" {
			in.warnings = append(in.warnings, "missing_charset")
		}
		if jsonAllowed {
			bad = in.readJSON(r.Body)
		}
	case media == "" && r.ContentLength == 0:
	case media == "":
		bad = fail("missing_post_type")
	default:
		bad = fail("invalid_post_type")
	}
	in.token = in.args["token"]
	if isJSON {
		in.token = r.URL.Query().Get("token")
	}
	if scheme, value, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		switch {
		case strings.EqualFold(scheme, "Bearer"):
			in.token = strings.TrimSpace(value)
		case strings.EqualFold(scheme, "Basic"):
			in.readBasic(r)
		}
	}
	return in, bad
}

func (in *input) readForm(r *http.Request, media string) *apiError {
	parse := r.ParseForm
	if media == "multipart/form-data" {
		parse = func() error { return r.ParseMultipartForm(maxBody) }
	}
	if err := parse(); err != nil {
		return fail("invalid_form_data")
	}
	for k, v := range r.PostForm {
		in.args[k] = v[len(v)-1]
	}
	return nil
}

func (in *input) readJSON(body io.Reader) *apiError {
	data, err := io.ReadAll(body)
	if err != nil {
		return fail("invalid_json")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		if json.Valid(data) {
			return fail("json_not_object")
		}
		return fail("invalid_json")
	}
	for k, raw := range fields {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			in.args[k] = text // also null, as ""
		} else {
			in.args[k] = string(raw)
		}
	}
	return nil
}

// readBasic takes client credentials from HTTP Basic, which are form-encoded
// first (RFC 6749 section 2.3.1).
func (in *input) readBasic(r *http.Request) {
	user, password, ok := r.BasicAuth()
	if !ok {
		return
	}
	if id, err := url.QueryUnescape(user); err == nil {
		in.args["client_id"] = id
	}
	if secret, err := url.QueryUnescape(password); err == nil {
		in.args["client_secret"] = secret
	}
}

// required fails when an argument is missing.
func (a args) required(names ...string) *apiError {
	for _, n := range names {
		if a[n] == "" {
			return failWith("invalid_arguments", "missing required field: "+n)
		}
	}
	return nil
}
