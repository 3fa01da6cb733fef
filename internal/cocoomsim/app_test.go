package cocoomsim

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestEachTenantHasItsOwn(t *testing.T) {
	srv := startApp(t, nil)
	agraf := visitAs(t, srv, "agrafmania.localhost", marie)
	port := visitAs(t, srv, "editionsduport.localhost", Person{"lea@editionsduport.fr", "Léa Morvan"})

	if got := agraf.get("/dossiers/12?onglet=notes"); got.status != 200 || !strings.Contains(got.body, "Refonte du catalogue") {
		t.Errorf("agrafmania's dossier 12: %d %s", got.status, got.text("contenu"))
	}
	if got := port.get("/dossiers/12?onglet=notes"); got.status != 200 || !strings.Contains(got.body, "Les Marées lentes") {
		t.Errorf("editionsduport's dossier 12: %d %s", got.status, got.text("contenu"))
	}
	if got := port.get("/dossiers/9"); got.status != 404 {
		t.Errorf("agrafmania's dossier 9 seen from editionsduport: %d", got.status)
	}
	agraf.post("/notes", url.Values{"dossier": {"12"}, "texte": {"Rien que pour nous"}})
	if !strings.Contains(agraf.get("/dossiers/12?onglet=notes").body, "Rien que pour nous") {
		t.Error("the note is not in its own tenant's dossier")
	}
	if strings.Contains(port.get("/dossiers/12?onglet=notes").body, "Rien que pour nous") {
		t.Error("the note is in another tenant's dossier")
	}
	if got := port.post("/taches", url.Values{"dossier": {"12"}, "titre": {"x"}, "a": {marie.Email}}); got.status != 422 {
		t.Errorf("a task for another tenant's person: %d, want 422", got.status)
	}
	if got := visitAs(t, srv, "inconnu.localhost", marie).get("/"); got.status != 404 {
		t.Errorf("an unknown host: %d, want 404", got.status)
	}
}

func TestHostname(t *testing.T) {
	for in, want := range map[string]string{
		"a.localhost": "a.localhost", "A.Localhost:8080": "a.localhost", "a.localhost.": "a.localhost", "": "", "[::1]:80": "::1",
	} {
		if got := hostname(in); got != want {
			t.Errorf("hostname(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWhoMaySeeWhat(t *testing.T) {
	srv := startApp(t, nil)
	for _, row := range []struct {
		method, path     string
		nobody, somebody int
	}{
		{"GET", "/", 403, 200},
		{"GET", "/dossiers/12?onglet=taches", 403, 200},
		{"GET", "/dossiers/12?onglet=fichiers", 403, 200},
		{"GET", "/dossiers/douze", 403, 404},
		{"GET", "/dossiers/99", 403, 404},
		{"GET", "/profil", 200, 200},
		{"GET", "/aide", 200, 200},
		{"GET", "/assets/style.css", 200, 200},
		{"GET", "/assets/logo.svg", 200, 200},
		{"GET", "/assets/../app.go", 404, 404},
		{"GET", "/assets/rien.css", 404, 404},
		{"GET", "/rien", 404, 404},
		{"POST", "/taches", 403, 404},
		{"POST", "/notes", 403, 404},
		{"POST", "/dossiers/12/fichiers", 403, 415},
		{"DELETE", "/", 404, 404},
	} {
		if got := visitAs(t, srv, "agrafmania.localhost", Person{}).do(row.method, row.path, "", nil).status; got != row.nobody {
			t.Errorf("%s %s by nobody: %d, want %d", row.method, row.path, got, row.nobody)
		}
		if got := visitAs(t, srv, "agrafmania.localhost", marie).do(row.method, row.path, "", nil).status; got != row.somebody {
			t.Errorf("%s %s by Marie: %d, want %d", row.method, row.path, got, row.somebody)
		}
	}
}

func TestFrame(t *testing.T) {
	srv := startApp(t, func(c *Config) { c.SignOutURL = "/partir?vers=1&x=2" })
	got := visitAs(t, srv, "agrafmania.localhost", marie).get("/")
	if name := got.text("signed-in-as"); name != "Marie Lefèvre" {
		t.Errorf("signed in as %q", name)
	}
	if !strings.Contains(got.body, `href="/partir?vers=1&amp;x=2"`) {
		t.Error("the sign-out link does not lead where the configuration says")
	}
	if strings.Contains(got.body, "<script") {
		t.Error("the pages are to work without scripts")
	}
	if got := visitAs(t, srv, "agrafmania.localhost", Person{}).get("/profil"); got.text("anonymous") == "" || strings.Contains(got.body, "Se déconnecter") {
		t.Error("nobody is shown as somebody")
	}
}

// TestSignOut: the app's own sign-out forgets the session; who comes back has
// another one.
func TestSignOut(t *testing.T) {
	srv := startApp(t, nil)
	b := visitAs(t, srv, "agrafmania.localhost", marie)
	b.get("/dossiers/12")
	if got := b.get("/profil").text("session-pages"); got != "2" {
		t.Fatalf("before, the session has seen %s pages", got)
	}
	if got := b.do("GET", "/logout.php", "", nil); got.status != 200 {
		t.Errorf("signing out answered %d", got.status)
	}
	if got := b.get("/profil").text("session-pages"); got != "2" { // the start page, and this one
		t.Errorf("afterwards the session has seen %s pages", got)
	}
}

func TestSessionCookie(t *testing.T) {
	srv := startApp(t, nil)
	b := visitAs(t, srv, "agrafmania.localhost", marie)
	if c := b.get("/assets/style.css").header.Get("Set-Cookie"); c != "" {
		t.Errorf("the style sheet sets a cookie: %s", c)
	}
	cookie := b.get("/profil").header.Get("Set-Cookie")
	if !regexp.MustCompile(`^PHPSESSID=[a-z0-9]{26}; Path=/; HttpOnly$`).MatchString(cookie) {
		t.Errorf("the first page's cookie: %q", cookie)
	}
	second := b.get("/profil")
	if c := second.header.Get("Set-Cookie"); c != "" || second.text("session-pages") != "2" {
		t.Errorf("second page: cookie %q, pages %q", c, second.text("session-pages"))
	}
	b.header.Set("X-Forwarded-Email", "paul@agrafmania.fr")
	b.header.Set("X-Forwarded-Preferred-Username", "Paul Martin")
	if got := b.get("/profil"); got.text("session-owner") != "Marie Lefèvre" || got.text("signed-in-as") != "Paul Martin" {
		t.Errorf("the session is %q's, the person is %q", got.text("session-owner"), got.text("signed-in-as"))
	}
	fixed := visitAs(t, srv, "agrafmania.localhost", marie)
	fixed.header.Set("Cookie", "PHPSESSID=abcdefghijklmnopqrstuvwxyz")
	if c := fixed.get("/profil").header.Get("Set-Cookie"); !strings.HasPrefix(c, "PHPSESSID=") || strings.Contains(c, "abcdefghijklmnopqrstuvwxyz") {
		t.Errorf("an id made up by the browser: %q, want a fresh one", c)
	}
}

func TestRecentDossiersFollowTheSession(t *testing.T) {
	b := visitAs(t, startApp(t, nil), "agrafmania.localhost", marie)
	for _, n := range []int{12, 9, 12, 7} {
		b.get(fmt.Sprintf("/dossiers/%d", n))
	}
	if got := b.get("/").text("recent"); got != "nº 7 nº 12 nº 9" {
		t.Errorf("recent: %q", got)
	}
}

func TestEverythingIsEscaped(t *testing.T) {
	const evil = `<script>alert("1")</script>`
	srv := startApp(t, nil)
	b := visitAs(t, srv, "agrafmania.localhost", Person{marie.Email, evil})
	b.header.Set("X-Forwarded-Groups", evil)
	b.post("/notes", url.Values{"dossier": {"12"}, "texte": {evil}})
	b.post("/taches", url.Values{"dossier": {"12"}, "titre": {evil}, "a": {marie.Email}})
	for _, path := range []string{"/", "/profil", "/dossiers/12?onglet=notes", "/dossiers/12?onglet=taches", "/dossiers/12?onglet=%3Cscript%3E"} {
		if got := b.get(path); strings.Contains(got.body, "<script") || !strings.Contains(got.body, "&lt;script&gt;") {
			t.Errorf("%s shows the script unescaped, or not at all", path)
		}
	}
}

func TestHeadersOfOldApps(t *testing.T) {
	b := visitAs(t, startApp(t, nil), "agrafmania.localhost", Person{marie.Email, "Lef\xe8vre"})
	if got := b.get("/profil").text("signed-in-as"); got != "Lefèvre" {
		t.Errorf("ISO-8859-1 name: %q", got)
	}
}

func TestNote(t *testing.T) {
	b := visitAs(t, startApp(t, nil), "agrafmania.localhost", marie)
	got := b.post("/notes", url.Values{"dossier": {"12"}, "texte": {"Été"}})
	if got.status != 200 || got.path != "/dossiers/12?onglet=notes" || got.text("flash") != "Note ajoutée." {
		t.Errorf("%d %s flash %q", got.status, got.path, got.text("flash"))
	}
	if again := b.get("/dossiers/12?onglet=notes"); again.text("flash") != "" || !strings.Contains(again.body, "Été") {
		t.Error("the message stays, or the note does not")
	}
	for _, row := range []struct {
		name, text string
		want       int
	}{
		{"empty", "  ", 422},
		{"long", strings.Repeat("é", maxText+1), 200},
		{"too long", strings.Repeat("a", maxForm), 413},
	} {
		if got := b.post("/notes", url.Values{"dossier": {"12"}, "texte": {row.text}}).status; got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
}

func TestUpload(t *testing.T) {
	b := visitAs(t, startApp(t, nil), "agrafmania.localhost", marie)
	body, kind := multipartFile(t, "../photo.jpg", strings.Repeat("x", 3<<20))
	got := b.do("POST", "/dossiers/12/fichiers", kind, body)
	if got.path != "/dossiers/12?onglet=fichiers" || got.text("flash") != "Fichier « photo.jpg » reçu : 3145728 octets." {
		t.Errorf("%d %s flash %q", got.status, got.path, got.text("flash"))
	}
	// sha256 of 3 MiB of "x", by sha256sum.
	if want := "3bea8a9a07c1e8dcaa4c1b816815c35a29b4fb585ba6ecc70ea44840a794cfb3"; !strings.Contains(got.body, want) {
		t.Errorf("the digest %s is not on the page", want)
	}
	body, kind = multipartFile(t, "", "")
	if got := b.do("POST", "/dossiers/12/fichiers", kind, body).status; got != 400 {
		t.Errorf("no file chosen: %d, want 400", got)
	}
	if got := b.do("POST", "/dossiers/99/fichiers", kind, body).status; got != 404 {
		t.Errorf("unknown dossier: %d, want 404", got)
	}
}

func multipartFile(t *testing.T, name, content string) (io.Reader, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("fichier", name)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(part, content)
	form.Close()
	return &body, form.FormDataContentType()
}

func TestUploadIsBounded(t *testing.T) {
	srv := startApp(t, nil)
	// The bytes are made as they are sent: nobody holds 256 MiB.
	head := "--b\r\nContent-Disposition: form-data; name=\"fichier\"; filename=\"gros.bin\"\r\n\r\n"
	req, err := http.NewRequest("POST", srv.URL+"/dossiers/12/fichiers", io.MultiReader(strings.NewReader(head), io.LimitReader(zeros{}, maxUpload)))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "agrafmania.localhost"
	req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	req.Header.Set("X-Forwarded-Email", marie.Email)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 413 {
		t.Errorf("status %d, want 413", res.StatusCode)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := New(Config{Tenants: []Tenant{
		{Host: "a.localhost", HookURL: "ftp://x"}, {Host: "A.localhost", JWKSURL: "http://x/jwks.json"}, {},
	}})
	for _, want := range []string{`tenants[0]: hook_url "ftp://x"`, "tenants[1]: host a.localhost is there twice", "tenants[1]: issuer is missing", "tenants[2]: host is missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("an app for nobody is no app")
	}
}
