package main

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cocoom/cocoom-gateway/proxy"
)

// phpSite is an app that knows nothing of the gateway, run by PHP's own web
// server with the shipped verifier before it.
type phpSite struct {
	t       *testing.T
	address string
	log     *lockedLog
}

// servePHP starts it with settings as php.ini has them, cocoom_gateway. left out.
func servePHP(t *testing.T, settings map[string]string) *phpSite {
	t.Helper()
	php := need(t, "php")
	verifier, err := filepath.Abs("docs/php/cocoom_gateway.php")
	if err != nil {
		t.Fatal(err)
	}
	// PHP opens the file behind go test's back: reading it ties results to it.
	if _, err := os.ReadFile(verifier); err != nil {
		t.Fatal(err)
	}
	ini := "auto_prepend_file = " + verifier + "\nerror_reporting = -1\ndisplay_errors = 1\nlog_errors = 1\n"
	for name, value := range settings {
		ini += "cocoom_gateway." + name + " = \"" + value + "\"\n"
	}
	return servePHPWith(t, php, ini, `<?php header('Content-Type: application/json'); echo json_encode(array('server' => $_SERVER, 'claims' => cocoom_gateway_claims()), JSON_PARTIAL_OUTPUT_ON_ERROR);`)
}

// servePHPWith starts PHP's web server with a php.ini and one page.
func servePHPWith(t *testing.T, php, ini, page string) *phpSite {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"php.ini": ini, "index.php": page} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &phpSite{t: t, address: loopback(freePort(t)), log: &lockedLog{started: make(chan struct{})}}
	cmd := exec.Command(php, "-c", filepath.Join(dir, "php.ini"), "-S", s.address, "-t", dir)
	cmd.Stderr = s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	select {
	case <-s.log.started:
	case <-time.After(20 * time.Second):
		t.Fatalf("php -S does not start: %s", s.log)
	}
	return s
}

// phpAnswer is what the page saw.
type phpAnswer struct {
	status int
	body   string
	Server map[string]any
	Claims any
}

// get asks with an assertion, none if that is empty, and headers.
func (s *phpSite) get(assertion string, header ...string) phpAnswer {
	s.t.Helper()
	req, err := http.NewRequest("GET", "http://"+s.address+"/", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Host = "agrafmania.cocoom.com"
	if assertion != "" {
		req.Header.Set("X-Gateway-Assertion", assertion)
	}
	for i := 0; i < len(header); i += 2 {
		if req.Header[header[i]] = []string{header[i+1]}; header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := phpAnswer{status: resp.StatusCode, body: string(body)}
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &a); err != nil {
			s.t.Fatalf("PHP answers %s: %v", body, err)
		}
	}
	return a
}

// jwtMaker signs assertions as the gateway does.
type jwtMaker struct {
	t   *testing.T
	alg string
	key proxy.Key
}

func newJWTMaker(t *testing.T, alg, kid string) *jwtMaker {
	t.Helper()
	der, err := proxy.GenerateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	key, err := proxy.ParseKey(kid, alg, der)
	if err != nil {
		t.Fatal(err)
	}
	return &jwtMaker{t, alg, key}
}

func goodClaims() jwt.MapClaims {
	return jwt.MapClaims{"iss": "https://agrafmania.cocoom.com", "aud": "agrafmania.cocoom.com", "sub": "U0MARIE", "team_id": "T0AGRAF001",
		"email": "marie@agrafmania.fr", "name": "Marie Lefèvre ☂", "groups": []string{"cocoom-admins", "edito"}, "exp": time.Now().Add(time.Minute).Unix()}
}

// token is a good assertion with some claims changed; nil removes one.
func (m *jwtMaker) token(changes ...any) string {
	m.t.Helper()
	claims := goodClaims()
	for i := 0; i < len(changes); i += 2 {
		if claims[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
			delete(claims, changes[i].(string))
		}
	}
	return m.sign(jwt.GetSigningMethod(m.alg), m.key.Private, m.key.ID, claims)
}

func (m *jwtMaker) sign(method jwt.SigningMethod, key any, kid string, claims jwt.Claims) string {
	m.t.Helper()
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	out, err := token.SignedString(key)
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

// publish gives the keys as the gateway publishes them.
func publish(t *testing.T, makers ...*jwtMaker) *proxy.Keys {
	t.Helper()
	keys, byAlg := proxy.NewKeys(), map[string][]proxy.Key{}
	for _, m := range makers {
		byAlg[m.alg] = append(byAlg[m.alg], m.key)
	}
	for alg, ring := range byAlg {
		if err := keys.Set(alg, ring); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPHPVerifier puts the shipped file before an app, with each algorithm and
// each source of keys, and tries every forgery.
func TestPHPVerifier(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef0123456789abcdef"
	es, rs, ed := newJWTMaker(t, "ES256", "k-es"), newJWTMaker(t, "RS256", "k-rs"), newJWTMaker(t, "EdDSA", "k-ed")
	keys := publish(t, es, rs, ed)
	dir := filepath.Join(t.TempDir(), "keys")
	if err := exportKeys(keys.PEM(), dir); err != nil {
		t.Fatal(err)
	}
	jwks := writeFile(t, "jwks.json", keys.JWKS())
	for name, row := range map[string]struct {
		maker *jwtMaker
		keys  string
	}{
		"ES256 from a directory": {es, dir}, "ES256 from a file": {es, filepath.Join(dir, "k-es.pem")}, "ES256 from a JWKS": {es, jwks},
		"RS256 from a directory": {rs, dir}, "RS256 from a JWKS": {rs, jwks},
		"EdDSA from a directory": {ed, dir}, "EdDSA from a JWKS": {ed, jwks},
		"HS256": {&jwtMaker{t: t, alg: "HS256"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := *row.maker
			m.t = t
			settings := map[string]string{"alg": m.alg, "keys": row.keys}
			good, sign := "", func(changes ...any) string { return m.token(changes...) }
			if m.alg == "HS256" {
				settings["secret"] = secret
				sign = func(changes ...any) string {
					claims := goodClaims()
					for i := 0; i < len(changes); i += 2 {
						claims[changes[i].(string)] = changes[i+1]
					}
					return m.sign(jwt.SigningMethodHS256, []byte(secret), "", claims)
				}
			}
			s := servePHP(t, settings)
			good = sign()
			a := s.get(good, "X-Forwarded-Email", "admin@agrafmania.fr", "X-Forwarded-Groups", "admins", "X-Gateway-Team", "T1", "Remote-User", "root")
			for key, want := range map[string]any{"REMOTE_USER": "marie@agrafmania.fr", "HTTP_X_FORWARDED_EMAIL": "marie@agrafmania.fr", "HTTP_X_FORWARDED_USER": "U0MARIE",
				"HTTP_X_FORWARDED_PREFERRED_USERNAME": "Marie Lefèvre ☂", "HTTP_X_FORWARDED_GROUPS": "cocoom-admins,edito", "HTTP_X_GATEWAY_TEAM": "T0AGRAF001",
				"HTTP_X_GATEWAY_ASSERTION": good, "HTTP_REMOTE_USER": nil} {
				if a.Server[key] != want {
					t.Errorf("good: status %d, %s is %v, want %v (%s)", a.status, key, a.Server[key], want, s.log)
				}
			}
			for name, forged := range forgeries(&m, sign, good, es) {
				if got := s.get(forged); got.status != http.StatusForbidden || strings.Contains(got.body, "{") {
					t.Errorf("%s: answered %d %s", name, got.status, got.body)
				}
			}
			for _, word := range []string{"Warning", "Deprecated", "Notice", "Fatal", good} {
				if strings.Contains(s.log.String(), word) {
					t.Errorf("PHP logs %s", s.log)
				}
			}
		})
	}
}

// forgeries are assertions that no verifier may take; es256 is a published key.
func forgeries(m *jwtMaker, sign func(...any) string, good string, es256 *jwtMaker) map[string]string {
	text := base64.RawURLEncoding.EncodeToString
	parts := strings.Split(good, ".")
	head, payload, signature := parts[0], parts[1], parts[2]
	raw, _ := base64.RawURLEncoding.DecodeString(signature)
	flip := func(at int) string {
		b := bytes.Clone(raw)
		b[at] ^= 1
		return text(b)
	}
	public, _ := x509.MarshalPKIXPublicKey(es256.key.Private.Public())
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	admin, _ := json.Marshal(map[string]any{"iss": "https://agrafmania.cocoom.com", "aud": "agrafmania.cocoom.com", "email": "admin@agrafmania.fr", "exp": 1 << 40})
	out := map[string]string{
		"none": "", "garbage": "x", "blanks": " . . ", "dots": "..", "no JSON": "eA.eA.eA", "two parts": head + "." + payload, "four parts": good + ".x",
		"expired": sign("exp", time.Now().Add(-31*time.Second).Unix()), "exp as text": sign("exp", "2999"), "exp as a list": sign("exp", []int{1 << 40}), "no exp": sign("exp", nil),
		"not yet": sign("nbf", time.Now().Add(time.Hour).Unix()),
		"aud":     sign("aud", "editionsduport.cocoom.com"), "aud in part": sign("aud", "agrafmania.cocoom.co"), "no aud": sign("aud", nil), "aud true": sign("aud", true),
		"iss": sign("iss", "https://editionsduport.cocoom.com"), "iss without TLS": sign("iss", "http://agrafmania.cocoom.com"), "iss as a list": sign("iss", []string{"https://agrafmania.cocoom.com"}),
		"no email": sign("email", nil), "email as a list": sign("email", []string{"a"}), "email empty": sign("email", ""),
		"alg none":            m.sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, es256.key.ID, goodClaims()) + "eA",
		"the public key":      m.sign(jwt.SigningMethodHS256, publicPEM, es256.key.ID, goodClaims()),
		"an empty secret":     m.sign(jwt.SigningMethodHS256, []byte(""), "", goodClaims()),
		"other payload":       head + "." + text(admin) + "." + signature,
		"first bit":           head + "." + payload + "." + flip(0),
		"last bit":            head + "." + payload + "." + flip(len(raw)-1),
		"zero signature":      head + "." + payload + "." + text(make([]byte, len(raw))),
		"short signature":     head + "." + payload + "." + text(raw[1:]),
		"long signature":      head + "." + payload + "." + text(append(bytes.Clone(raw), 0)),
		"header changed":      text([]byte(`{"alg":"`+m.alg+`","kid":"k-es","x":1}`)) + "." + payload + "." + signature,
		"crit":                text([]byte(`{"alg":"`+m.alg+`","kid":"k-es","crit":["x"]}`)) + "." + payload + "." + signature,
		"huge":                head + "." + payload + "." + strings.Repeat("A", 20<<10),
		"deep":                head + "." + text([]byte(strings.Repeat("[", 2000))) + "." + signature,
		"line breaks":         head + "." + payload[:4] + "\t" + payload[4:] + "." + signature,
		"standard base64 pad": good + "==",
	}
	if m.alg != "HS256" {
		other := newJWTMaker(m.t, m.alg, m.key.ID)
		out["another key"] = other.token()
		for name, kid := range map[string]string{"unknown kid": "k-none", "kid is a path": "../keys/k-es", "kid is absolute": "/etc/passwd", "no kid": "", "kid of another kind": "k-" + map[string]string{"ES256": "rs", "RS256": "ed", "EdDSA": "es"}[m.alg]} {
			out[name] = m.sign(jwt.GetSigningMethod(m.alg), m.key.Private, kid, goodClaims())
		}
	}
	return out
}

// TestPHPVerifierOptions: what settings change.
func TestPHPVerifierOptions(t *testing.T) {
	m := newJWTMaker(t, "ES256", "k1")
	jwks := writeFile(t, "jwks.json", publish(t, m).JWKS())
	forged := []string{"X-Forwarded-Email", "admin@agrafmania.fr", "X-Forwarded-User", "U1", "X-Remote-Email", "x", "X-Gateway-Anything", "x", "X-Forwarded-For", "192.0.2.1"}

	optional := servePHP(t, map[string]string{"keys": jwks, "mode": "optional"})
	for name, token := range map[string]string{"none": "", "expired": m.token("exp", 1), "garbage": "x"} {
		a := optional.get(token, forged...)
		for key := range a.Server {
			if key != "HTTP_X_FORWARDED_FOR" && (strings.Contains(key, "FORWARDED") || strings.Contains(key, "GATEWAY") || strings.Contains(key, "REMOTE_USER") || strings.Contains(key, "REMOTE_EMAIL")) {
				t.Errorf("optional, %s: %s is still there", name, key)
			}
		}
		if a.status != http.StatusOK || a.Claims != false || a.Server["HTTP_X_FORWARDED_FOR"] != "192.0.2.1" {
			t.Errorf("optional, %s: answered %d with %v", name, a.status, a.Claims)
		}
	}
	if got := optional.get(m.token("aud", "b.example.com", "iss", "https://b.example.com"), "Host", "B.example.com.:8443"); got.Server["REMOTE_USER"] != "marie@agrafmania.fr" {
		t.Errorf("on another host: %v", got.Server["REMOTE_USER"])
	}
	if got := optional.get(m.token(), "Host", "b.example.com"); got.Claims != false {
		t.Errorf("one host's assertion on another: %v", got.Claims)
	}

	named := servePHP(t, map[string]string{"keys": jwks, "user": "sub", "charset": "iso-8859-1", "issuer": "http://{host}:8080", "audience": "cocoom",
		"header_name": "X-Nom", "header_assertion": "X-Preuve"})
	got := named.get("", "X-Preuve", m.token("iss", "http://agrafmania.cocoom.com:8080", "aud", "cocoom"), "X-Gateway-Assertion", "forged", "X-Nom", "forged")
	// Latin-1 is no JSON, so PHP gives null for it.
	if value, there := got.Server["HTTP_X_NOM"]; got.Server["REMOTE_USER"] != "U0MARIE" || !there || value != nil || got.Server["HTTP_X_GATEWAY_ASSERTION"] != nil {
		t.Errorf("with names of its own: %d %v (%s)", got.status, got.Server, named.log)
	}
	if got := servePHP(t, nil).get(m.token()); got.status != http.StatusForbidden {
		t.Errorf("without keys: answered %d", got.status)
	}
	if got := servePHP(t, map[string]string{"keys": jwks, "alg": "none"}).get(m.token()); got.status != http.StatusForbidden {
		t.Errorf("with an algorithm of its own: answered %d", got.status)
	}

	// A script without a web server goes on.
	cmd := exec.Command(need(t, "php"), "-d", "auto_prepend_file=docs/php/cocoom_gateway.php", writeFile(t, "cron.php", []byte("<?php echo function_exists('cocoom_gateway_claims');")))
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "1" {
		t.Errorf("a cron job prints %s (%v)", out, err)
	}
}

// TestPHPVerifierFetchesKeys: from an address the keys come once, again for an
// unknown id, at most once a minute, and stay when the gateway does not answer.
func TestPHPVerifierFetchesKeys(t *testing.T) {
	first, second := newJWTMaker(t, "ES256", "k1"), newJWTMaker(t, "ES256", "k2")
	var asked atomic.Int32
	var jwks atomic.Value
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		body := jwks.Load().(string)
		if body == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		io.WriteString(w, body)
	}))
	defer gateway.Close()
	cache := t.TempDir()
	s := servePHP(t, map[string]string{"keys": gateway.URL + "/.gateway/jwks.json", "cache": cache})
	expect := func(step string, m *jwtMaker, status int, times int32) {
		t.Helper()
		if got := s.get(m.token()); got.status != status || asked.Load() != times {
			t.Errorf("%s: answered %d after %d fetches, want %d after %d (%s)", step, got.status, asked.Load(), status, times, s.log)
		}
	}
	// aMinuteAgo makes the last fetch one of a minute ago, and the copy so old.
	aMinuteAgo := func(copyAge time.Duration) {
		t.Helper()
		locks, _ := filepath.Glob(filepath.Join(cache, "*.lock"))
		copies, _ := filepath.Glob(filepath.Join(cache, "*.json"))
		if len(locks) != 1 || len(copies) != 1 {
			t.Fatalf("the cache holds %q and %q", locks, copies)
		}
		old := time.Now().Add(-copyAge)
		if err := os.WriteFile(locks[0], []byte("1"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(copies[0], old, old); err != nil {
			t.Fatal(err)
		}
	}
	jwks.Store(string(publish(t, first).JWKS()))
	expect("the first time", first, 200, 1)
	expect("from the copy", first, 200, 1)
	jwks.Store(string(publish(t, first, second).JWKS()))
	expect("an unknown key, at once", second, 403, 1)
	aMinuteAgo(time.Minute)
	expect("a known key, a minute later", first, 200, 1)
	expect("an unknown key, a minute later", second, 200, 2)
	for _, rubbish := range []string{"", "<html>", `{"keys":[]}`, `{"keys":7}`, `{"keys":[{"kty":"EC"}]}`} {
		jwks.Store(rubbish)
		aMinuteAgo(2 * time.Hour)
		before := asked.Load()
		expect("an old copy, and the gateway says "+rubbish, first, 200, before+1)
		expect("an old copy, tried just now", first, 200, before+1)
	}
	jwks.Store(string(publish(t, second).JWKS()))
	aMinuteAgo(2 * time.Hour)
	before := asked.Load()
	expect("a key that is gone", first, 403, before+1)
	expect("the one that is left", second, 200, before+1)
	if files, _ := os.ReadDir(cache); len(files) != 2 {
		t.Errorf("the cache holds %v", files)
	}
	if got := servePHP(t, map[string]string{"keys": gateway.URL}).get(second.token()); got.status != http.StatusForbidden {
		t.Errorf("without a cache: answered %d", got.status)
	}
}

// TestPHPSyntax: what is shipped, and what the README shows, parses as PHP 5.6.
func TestPHPSyntax(t *testing.T) {
	dir := needModules(t)
	verifier, err := os.ReadFile("docs/php/cocoom_gateway.php")
	if err != nil {
		t.Fatal(err)
	}
	sources := []string{string(verifier)}
	for _, snippet := range append(snippets(t, "README.md", "php"), snippets(t, notificationDocs, "php")...) {
		sources = append(sources, "<?php\n"+snippet)
	}
	good := len(sources)
	for _, newer := range []string{`$a ?? 1;`, `function f(int $x) {}`, `function f(): A {}`, `fn($x) => $x;`, `[$a, $b] = $c;`, `$a <=> $b;`, `match(1) {};`,
		`$x = 1_000;`, `$a = new class {};`, `f()();`, `try {} catch (A | B $e) {}`, `function f(?A $x) {}`, `$a?->b;`, `use A\{B, C};`, `list("a" => $x) = $y;`} {
		sources = append(sources, "<?php "+newer)
	}
	in, err := json.Marshal(sources)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "php56.mjs")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	if err := json.Unmarshal(out, &said); err != nil || len(said) != len(sources) {
		t.Fatalf("the parser says %s (%v)", out, err)
	}
	for i, mistake := range said {
		if (mistake == "") != (i < good) {
			t.Errorf("%.60s…: the parser says %q", sources[i], mistake)
		}
	}
}

// lockedLog collects what PHP logs, and tells when it has started.
type lockedLog struct {
	mu      sync.Mutex
	b       strings.Builder
	started chan struct{}
	once    sync.Once
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Write(p); strings.Contains(l.b.String(), "Development Server") {
		l.once.Do(func() { close(l.started) })
	}
	return len(p), nil
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
