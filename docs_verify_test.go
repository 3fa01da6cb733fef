package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const verifyDocs = "docs/verify.md"

// verifiers run a page's snippet with tokens: a line for each says the subject, or
// "refused".
var verifiers = map[string]func(t *testing.T, snippet, keys string, tokens []string) *exec.Cmd{
	"php": func(t *testing.T, snippet, keys string, tokens []string) *exec.Cmd {
		snippet = strings.Replace(snippet, "/var/lib/cocoom/keys", keys, 1)
		return script(t, []string{need(t, "php"), "--"}, tokens, "<?php\n"+snippet+`
foreach (array_slice($argv, 1) as $token) {
    try { echo gateway_claims($token, '`+customers[0].Host+`')['sub'], "\n"; } catch (RuntimeException $e) { echo "refused\n"; }
}`)
	},
	"python": func(t *testing.T, snippet, _ string, tokens []string) *exec.Cmd {
		return script(t, []string{pythonWithJWT(t), "-"}, tokens, snippet+`
import sys
for token in sys.argv[1:]:
    try:
        print(claims(token)["sub"])
    except jwt.InvalidTokenError:
        print("refused")
`)
	},
	"js": func(t *testing.T, snippet, _ string, tokens []string) *exec.Cmd {
		cmd := script(t, []string{need(t, "node"), "--input-type=module", "-"}, tokens, snippet+`
for (const token of process.argv.slice(2)) {
  console.log(await claims(token).then((who) => who.sub, () => "refused"));
}`)
		cmd.Dir = needModules(t)
		return cmd
	},
	"go": func(t *testing.T, snippet, _ string, tokens []string) *exec.Cmd {
		main := filepath.Join(t.TempDir(), "main.go")
		text := strings.Replace(snippet, "\t\"net/http\"\n", "\t\"net/http\"\n\t\"os\"\n", 1) + `
func main() {
	for _, token := range os.Args[1:] {
		if who, err := claims(token); err != nil {
			fmt.Println("refused")
		} else {
			fmt.Println(who["sub"])
		}
	}
}
`
		if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return script(t, []string{need(t, "go"), "run", main}, tokens, "")
	},
}

func script(t *testing.T, command, tokens []string, text string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), command[0], append(command[1:], tokens...)...)
	cmd.Stdin = strings.NewReader(text)
	return cmd
}

// pythonWithJWT finds a Python that has PyJWT: the one in PATH need not be the system's.
func pythonWithJWT(t *testing.T) string {
	t.Helper()
	need(t, "python3")
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import jwt.algorithms, cryptography").Run() == nil {
			return python
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("CI must have PyJWT and cryptography")
	}
	t.Skip("skipped: PyJWT or cryptography is not installed")
	return ""
}

// keyServer publishes a gateway's keys, and one of the test's to sign variants with.
type keyServer struct {
	*httptest.Server
	asked atomic.Int32
	later bool // the test's is published from the second time on
}

func serveKeys(t *testing.T, p *program, ours *jwtMaker, later bool) *keyServer {
	t.Helper()
	set := func(jwks ...[]byte) []byte {
		var all struct {
			Keys []json.RawMessage `json:"keys"`
		}
		for _, text := range jwks {
			var one struct{ Keys []json.RawMessage }
			if err := json.Unmarshal(text, &one); err != nil {
				t.Fatal(err)
			}
			all.Keys = append(all.Keys, one.Keys...)
		}
		out, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	s := &keyServer{later: later}
	theirs, both := set(p.keys.signing.JWKS()), set(p.keys.signing.JWKS(), publish(t, ours, newJWTMaker(t, "RS256", "rsa")).JWKS())
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if s.asked.Add(1) == 1 && s.later {
			_, _ = w.Write(theirs)
			return
		}
		_, _ = w.Write(both)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestDocsVerify runs each of the page's snippets as it stands but for the addresses, with what a running
// gateway gives its app, and with what must not be believed.
func TestDocsVerify(t *testing.T) {
	o := newOffice(t, t.TempDir())
	given := make(chan string, 10)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		given <- r.Header.Get("X-Gateway-Assertion")
	}))
	t.Cleanup(app.Close)
	o.config = upstreamLine.ReplaceAllString(o.config, "upstream: "+app.URL)
	p, _ := o.start("0")
	o.member(p, "U0MARIE") // opens the app's first page
	honest := <-given

	m, stranger, host := newJWTMaker(t, "ES256", "k1"), newJWTMaker(t, "ES256", "k1"), customers[0].Host
	forge := func(m *jwtMaker, changes ...any) string {
		return m.token(append([]any{"iss", o.origin, "aud", host}, changes...)...)
	}
	good := forge(m)
	part := strings.Split(good, ".")
	claims := goodClaims()
	claims["iss"], claims["aud"] = o.origin, host
	forged := map[string]string{
		"another host's":      forge(m, "aud", "editionsduport.localhost"),
		"another issuer's":    forge(m, "iss", "https://evil.example"),
		"expired":             forge(m, "exp", time.Now().Add(-5*time.Minute).Unix()),
		"without an end":      forge(m, "exp", nil),
		"tampered":            part[0] + "." + strings.Split(forge(m, "sub", "U0PAUL"), ".")[1] + "." + part[2],
		"a stranger's":        forge(stranger),
		"alg none":            m.sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "k1", claims),
		"HS256 by public key": m.sign(jwt.SigningMethodHS256, []byte(publish(t, m).PEM()["k1"]), "k1", claims),
		"an unknown key's":    m.sign(jwt.SigningMethodES256, m.key.Private, "k2", claims),
		"a key by a path":     m.sign(jwt.SigningMethodES256, m.key.Private, "../keys/k1", claims),
		"rubbish":             "a.b.c",
		"missing":             "",
	}
	names, tokens := []string{"a gateway's", "good"}, []string{honest, good}
	for name, token := range forged {
		names, tokens = append(names, name), append(tokens, token)
	}
	dir := filepath.Join(t.TempDir(), "keys")
	pem := p.keys.signing.PEM()
	all := map[string]string{"k1": publish(t, m).PEM()["k1"]}
	for id, text := range pem {
		all[id] = text
	}
	if err := exportKeys(all, dir); err != nil {
		t.Fatal(err)
	}
	prepare := func(snippet, jwks string) string {
		return strings.NewReplacer("https://agrafmania.cocoom.com/.gateway/jwks.json", jwks, "https://agrafmania.cocoom.com", o.origin, "agrafmania.cocoom.com", host,
			`"https://$host"`, fmt.Sprintf(`%q`, o.origin)).Replace(snippet)
	}
	for language, run := range verifiers {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			blocks := snippets(t, verifyDocs, language)
			if len(blocks) != 1 {
				t.Fatalf("%d blocks, want 1", len(blocks))
			}
			judge := func(snippet, jwks string, tokens []string) []string {
				cmd := run(t, prepare(snippet, jwks), dir, tokens)
				var said strings.Builder
				cmd.Stderr = &said
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("%v: %s", err, &said)
				}
				return strings.Fields(string(out))
			}
			keys := serveKeys(t, p, m, false)
			got := judge(blocks[0], keys.URL, tokens)
			if len(got) != len(tokens) {
				t.Fatalf("said %q", got)
			}
			for i, name := range names {
				if want := map[bool]string{true: "U0MARIE", false: "refused"}[i < 2]; got[i] != want {
					t.Errorf("%s: %s, want %s", name, got[i], want)
				}
			}
			if n := keys.asked.Load(); language != "php" && n != 1 {
				t.Errorf("the keys were asked for %d times", n)
			}
			// A key that was published since is found, once a minute is over.
			for _, bound := range []string{", 60 ", "60_000", "time.Minute"} {
				if strings.Contains(blocks[0], bound) {
					keys := serveKeys(t, p, m, true)
					patient := judge(blocks[0], keys.URL, []string{honest, good})
					eager := judge(strings.Replace(blocks[0], bound, map[string]string{", 60 ": ", 0 "}[bound]+map[string]string{"60_000": "0", "time.Minute": "0"}[bound], 1), serveKeys(t, p, m, true).URL, []string{honest, good})
					if !slices.Equal(patient, []string{"U0MARIE", "refused"}) || !slices.Equal(eager, []string{"U0MARIE", "U0MARIE"}) {
						t.Errorf("a new key: within the minute %q, after it %q", patient, eager)
					}
				}
			}
		})
	}
}
