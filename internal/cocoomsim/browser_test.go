package cocoomsim

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// browser visits a running app under a tenant's name, with the identity
// headers a front server would add.
type browser struct {
	t      *testing.T
	client *http.Client
	origin string
	header http.Header
}

// page is what a visit ended at.
type page struct {
	status int
	path   string // after redirects
	body   string
	header http.Header
}

var marie = Person{"marie@agrafmania.fr", "Marie Lefèvre"}

func startApp(t *testing.T, change func(*Config)) *httptest.Server {
	t.Helper()
	cfg := Config{
		Tenants: []Tenant{
			{Host: "agrafmania.localhost", Name: "Agrafmania", People: []Person{marie, {"paul@agrafmania.fr", "Paul Martin"}}},
			{Host: "editionsduport.localhost", Name: "Éditions du Port", People: []Person{{"lea@editionsduport.fr", "Léa Morvan"}}},
		},
		Now: func() time.Time { return now },
	}
	if change != nil {
		change(&cfg)
	}
	app, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(app)
	t.Cleanup(srv.Close)
	t.Cleanup(app.Close)
	return srv
}

// visit opens a browser at a tenant, signed in as who unless that is empty.
func visitAs(t *testing.T, srv *httptest.Server, host string, who Person) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, header: http.Header{}, origin: strings.Replace(srv.URL, "127.0.0.1", host, 1)}
	b.client = &http.Client{Transport: newClient().Transport, Jar: jar, Timeout: 10 * time.Second}
	if who.Email != "" {
		b.header.Set("X-Forwarded-User", "U0"+who.Email[:1])
		b.header.Set("X-Forwarded-Email", who.Email)
		b.header.Set("X-Forwarded-Preferred-Username", who.Name)
	}
	return b
}

func (b *browser) do(method, path, contentType string, body io.Reader) page {
	b.t.Helper()
	req, err := http.NewRequest(method, b.origin+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header = b.header.Clone()
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{res.StatusCode, res.Request.URL.RequestURI(), string(out), res.Header}
}

func (b *browser) get(path string) page { b.t.Helper(); return b.do("GET", path, "", nil) }

func (b *browser) post(path string, form url.Values) page {
	b.t.Helper()
	return b.do("POST", path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

var tags = regexp.MustCompile(`<[^>]*>`)

// text is what stands in the element with the id, without its tags. Elements
// of the same name do not nest in the pages.
func (p page) text(id string) string {
	at := regexp.MustCompile(`<(\w+)[^>]* id="` + id + `"[^>]*>`).FindStringSubmatchIndex(p.body)
	if at == nil {
		return ""
	}
	inner, _, _ := strings.Cut(p.body[at[1]:], "</"+p.body[at[2]:at[3]]+">")
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(inner, ""))), " ")
}
