package cocoomsim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// phpFolder holds the PHP that the end-to-end tests run; verifier, seen from
// there, is what operators get.
const (
	phpFolder = "../../testdata/php"
	verifier  = "../../docs/php/cocoom_gateway.php"
)

func requirePHP(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("php"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("PHP (php-cli) is required where CI=true")
		}
		t.Skip("needs PHP (php-cli)")
	}
	// PHP opens these files behind go test's back, which would go on showing
	// an old result after they change; reading them here ties it to them.
	for _, name := range []string{verifier, "verify_cli.php", "app/index.php"} {
		if _, err := os.ReadFile(filepath.Join(phpFolder, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// verifyInPHP runs the tokens through verify_cli.php and returns its lines.
func verifyInPHP(t *testing.T, keys string, tokens []string) []string {
	t.Helper()
	cmd := exec.Command("php", "-d", "error_reporting=-1", "-d", "display_errors=stderr",
		filepath.Join(phpFolder, "verify_cli.php"), keys, issuer, audience, fmt.Sprint(now.Unix()))
	cmd.Stdin = strings.NewReader(strings.Join(tokens, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("php: %v, it printed: %s", err, stderr.String())
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(tokens) {
		t.Fatalf("%d answers to %d assertions: %q", len(lines), len(tokens), lines)
	}
	return lines
}

func TestPHPVerifiesAssertions(t *testing.T) {
	requirePHP(t)
	s := newAuthority(t)
	jwks := filepath.Join(t.TempDir(), "jwks.json")
	pemFile := filepath.Join(t.TempDir(), keyID+".pem")
	for name, content := range map[string][]byte{jwks: s.jwks(t), pemFile: s.publicPEM(t)} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cases := append(tokenCases(t, s),
		tokenCase{"an extension it must understand", s.critical(t), "refused"},
		tokenCase{"nothing", "", "refused"},
		tokenCase{"claims are no object", s.signRaw(t, `{"alg":"ES256","kid":"`+keyID+`"}`, `7`), "refused"},
		tokenCase{"exp as a list", s.token(t, map[string]any{"exp": []int64{now.Unix() + 60}}), "refused"},
		tokenCase{"header is no object", s.signRaw(t, `"ES256"`, `{}`), "refused"},
	)
	var tokens []string
	for _, c := range cases {
		tokens = append(tokens, c.token)
	}
	for _, keys := range []string{jwks, pemFile} {
		answers := verifyInPHP(t, keys, tokens)
		for i, c := range cases {
			t.Run(filepath.Ext(keys)[1:]+"/"+c.name, func(t *testing.T) {
				if c.reason != "" {
					if answers[i] != "false" {
						t.Errorf("%s, want false", answers[i])
					}
					return
				}
				var claims map[string]any
				if err := json.Unmarshal([]byte(answers[i]), &claims); err != nil || claims["email"] != marie.Email || claims["name"] != marie.Name {
					t.Errorf("%s, want Marie's claims", answers[i])
				}
			})
		}
	}
}

func TestPHPRefusesWhatAKeyItCannotReadSigned(t *testing.T) {
	requirePHP(t)
	s := newAuthority(t)
	jwks := filepath.Join(t.TempDir(), "jwks.json")
	broken := `{"keys":["x",{"kid":"` + keyID + `","crv":"P-256","x":"AQ","y":"AQ"}]}`
	if err := os.WriteFile(jwks, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("php", "-d", "display_errors=0", "-d", "log_errors=0",
		filepath.Join(phpFolder, "verify_cli.php"), jwks, issuer, audience, fmt.Sprint(now.Unix()))
	cmd.Stdin = strings.NewReader(s.token(t, nil) + "\n")
	if out, err := cmd.Output(); err != nil || string(out) != "false\n" {
		t.Errorf("%q, %v; want false", out, err)
	}
}

// critical is a good token but for an extension header (RFC 7515, 4.1.11).
func (s *authority) critical(t *testing.T) string {
	t.Helper()
	payload, err := json.Marshal(claimsWith(nil))
	if err != nil {
		t.Fatal(err)
	}
	return s.signRaw(t, `{"alg":"ES256","kid":"`+keyID+`","crit":["x"],"x":1}`, string(payload))
}

func TestPHPAppSeesTheRequest(t *testing.T) {
	s := newAuthority(t)
	app := startPHP(t, map[string]string{"COCOOM_GATEWAY_KEYS": s.url, "COCOOM_GATEWAY_CACHE": t.TempDir(), "COCOOM_GATEWAY_ISSUER": issuer,
		"COCOOM_GATEWAY_AUDIENCE": audience, "COCOOM_GATEWAY_MODE": "optional"})
	b := browserAt(t, app)
	b.header = http.Header{
		"X-Forwarded-User": {"U0MARIE"}, "X-Forwarded-Email": {marie.Email}, "X-Forwarded-Preferred-Username": {marie.Name},
		"X-Gateway-Team": {"T0AGRAF001"},
		// PHP knows the real time only.
		assertionHeader: {s.token(t, map[string]any{"iat": nil, "nbf": nil, "exp": time.Now().Add(time.Minute).Unix()})},
	}
	first, second := b.json("/whoami"), b.json("/whoami")
	if first["count"] != 1.0 || second["count"] != 2.0 || first["session"] != second["session"] {
		t.Errorf("PHP's own session: %v, then %v", first, second)
	}
	claims, _ := first["assertion"].(map[string]any)
	if first["user"] != "U0MARIE" || first["email"] != marie.Email || first["name"] != marie.Name || first["groups"] != "cocoom-admins" ||
		first["team"] != "T0AGRAF001" || claims["email"] != marie.Email {
		t.Errorf("whoami: %v", first)
	}
	good := b.header.Get(assertionHeader)
	b.header.Set(assertionHeader, s.token(t, map[string]any{"exp": 1}))
	if got := b.json("/whoami"); got["assertion"] != false || got["email"] != nil || got["user"] != nil {
		t.Errorf("an expired assertion: %v, want nobody", got)
	}
	b.header.Set(assertionHeader, good)
	if got := b.get("/query?q=50%&b=2;a=1&c=%zz").body; got != "q=50%&b=2;a=1&c=%zz" {
		t.Errorf("raw query: %s", got)
	}
	b.header.Set("Authorization", "Basic bWFyaWU6c2VjcmV0")
	if got := b.json("/server"); got["PHP_AUTH_USER"] != "marie" || got["HTTP_X_FORWARDED_EMAIL"] != marie.Email {
		t.Errorf("$_SERVER: %v", got)
	}
	got := b.get("/dossiers/%3Cb%3E?x=<b>")
	if !strings.Contains(got.body, `<dd data-field="name">Marie Lefèvre</dd>`) || strings.Contains(got.body, "<b>") {
		t.Errorf("page: %s", got.body)
	}
}

func TestPHPAppCallsTheWebhook(t *testing.T) {
	calls := make(chan received, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		calls <- received{r.Method, r.Host, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.PostForm}
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, `{"id":"ntf_1"}`)
	}))
	defer hook.Close()
	b := browserAt(t, startPHP(t, map[string]string{"HOOK_URL": hook.URL, "HOOK_TOKEN": hookToken, "HOOK_HOST": "agrafmania.localhost"}))
	got := b.json("/notify?" + url.Values{"to": {marie.Email}, "text": {"Été & co"}, "key": {"k-1"}}.Encode())
	if got["ok"] != true || got["answer"] != `{"id":"ntf_1"}` {
		t.Errorf("PHP saw %v", got)
	}
	call := <-calls
	want := received{"POST", "agrafmania.localhost", "application/x-www-form-urlencoded", "Bearer " + hookToken, nil}
	form := url.Values{"to": {marie.Email}, "text": {"Été & co"}, "type": {"task.assigned"}, "key": {"k-1"}}
	if call.form.Encode() != form.Encode() {
		t.Errorf("form %v", call.form)
	}
	if call.form = nil; fmt.Sprint(call) != fmt.Sprint(want) {
		t.Errorf("called with %v, want %v", call, want)
	}
}

// startPHP runs the PHP app until the test ends, and returns its address.
func startPHP(t *testing.T, env map[string]string) string {
	t.Helper()
	requirePHP(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	var prepend []string
	if env["COCOOM_GATEWAY_KEYS"] != "" {
		file, err := filepath.Abs(filepath.Join(phpFolder, verifier))
		if err != nil {
			t.Fatal(err)
		}
		prepend = []string{"-d", "auto_prepend_file=" + file}
	}
	cmd := exec.Command("php", append(prepend, "-S", address)...) // a router script would not get it
	cmd.Dir = filepath.Join(phpFolder, "app")
	env = maps.Clone(env)
	env["SESSION_DIR"] = t.TempDir()
	cmd.Env = os.Environ()
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// PHP says on stderr when it listens, and later one line a request.
	lines, drained := bufio.NewScanner(stderr), make(chan struct{})
	for lines.Scan() && !strings.Contains(lines.Text(), "Development Server") {
		t.Log(lines.Text())
	}
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-drained
		cmd.Wait()
	})
	return "http://" + address
}

// browserAt opens a browser with a cookie jar at an address.
func browserAt(t *testing.T, address string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, client: &http.Client{Jar: jar, Timeout: 10 * time.Second}, origin: address, header: http.Header{}}
}

func (b *browser) json(path string) map[string]any {
	b.t.Helper()
	var out map[string]any
	body := b.get(path).body
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		b.t.Fatalf("%s: %v in %s", path, err, body)
	}
	return out
}
