package gateway_test

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// ownPages gives one page of each kind, in a language.
func ownPages(w *world, lang string) map[string]answer {
	origin := w.routes[0].Origin
	accept := []string{"Accept-Language", lang}
	in, out := w.browser(), w.browser()
	in.signIn(origin+"/", teams[0], "U0PAUL")
	slack, _ := url.Parse(out.get(origin + deepLink).Header.Get("Location"))
	refused := func(name string) answer {
		return out.get(origin+"/.gateway/callback?error="+name+"&state="+slack.Query().Get("state"), accept...)
	}
	last := answer{}
	begin := origin + deepLink
	for range 3 {
		b := w.browser()
		last = b.get(b.submit(b.get(begin).Header.Get("Location"), url.Values{"cancel": {"1"}}).Header.Get("Location"), accept...)
		begin, _ = last.next()
	}
	return map[string]answer{
		"account": in.get(origin+"/.gateway/", accept...), "sign out?": in.get(origin+"/.gateway/sign-out", accept...),
		"signed out": out.get(origin+"/.gateway/signed-out", accept...), "not allowed": in.get(origin+"/admin/x", accept...),
		"no such page": out.get(origin+"/.gateway/none", accept...), "no such host": out.get(origin+"/", "Host", "nobody.example", "Accept-Language", lang),
		"stale": out.get(origin+"/.gateway/callback?state=x", accept...), "form": out.do("POST", origin+"/x", nil, accept...),
		"cancelled": refused("access_denied"), "wrong workspace": refused("invalid_team_for_non_distributed_app"), "guest": refused("user_is_restricted"),
		"deactivated": refused("account_inactive"), "e-mail": refused("user_email_unverified"), "two-factor": refused("two_factor_setup_required"),
		"admission": refused("accesslimited"), "moving": refused("org_login_required"), "busy": refused("ratelimited"), "down": refused("internal_error"),
		"set-up": refused("bad_client_secret"), "last": last,
	}
}

// TestPagesAreAccessible: what a screen reader, a keyboard and a small device
// need, on every page, in both languages; and no script, nothing from
// elsewhere, nothing heavy.
func TestPagesAreAccessible(t *testing.T) {
	w := newWorld(t)
	if err := w.slack.UpdatePerson(teams[0], "U0PAUL", func(p *slacksim.Person) { p.Name = "Paul <b>Martin</b> " + strings.Repeat("x", 60) }); err != nil {
		t.Fatal(err)
	}
	titles := map[string]string{}
	for _, lang := range []string{"en", "fr"} {
		for name, page := range ownPages(w, lang) {
			t.Run(lang+" "+name, func(t *testing.T) {
				checkPage(t, page, lang)
				if name == "last" {
					return // the page of the third refusal, with more on it
				}
				if other := titles[title(page.text)]; other != "" {
					t.Errorf("has the title of %s: %s", other, title(page.text))
				}
				titles[title(page.text)] = lang + " " + name
			})
		}
	}
}

var policyLine = regexp.MustCompile(`^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$`)

func checkPage(t *testing.T, page answer, lang string) {
	t.Helper()
	if len(page.text) >= 10<<10 {
		t.Errorf("%d bytes", len(page.text))
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8", "Content-Language": lang} {
		if got := page.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if csp := page.Header.Get("Content-Security-Policy"); !policyLine.MatchString(csp) {
		t.Errorf("Content-Security-Policy: %s", csp)
	}
	doc, err := html.Parse(strings.NewReader(page.text))
	if err != nil {
		t.Fatal(err)
	}
	count, ids := map[string]int{}, map[string]bool{}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		checkElement(t, n, lang)
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("id %s stands twice", id)
			}
			ids[id] = true
		}
	}
	for tag, want := range map[string]int{"h1": 1, "main": 1, "title": 1, "script": 0, "iframe": 0, "img": 0, "link": 0, "svg": 0} {
		if count[tag] != want {
			t.Errorf("%d <%s>, want %d", count[tag], tag, want)
		}
	}
	if page.StatusCode >= 400 && !strings.Contains(page.text, "<code>"+page.Header.Get("X-Request-Id")+"</code>") {
		t.Error("an error without its request number")
	}
}

func checkElement(t *testing.T, n *html.Node, lang string) {
	t.Helper()
	for _, a := range n.Attr {
		if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "tabindex" || a.Key == "autofocus" {
			t.Errorf("<%s> has the attribute %s", n.Data, a.Key)
		}
	}
	switch n.Data {
	case "html":
		if attr(n, "lang") != lang {
			t.Errorf("lang is %q", attr(n, "lang"))
		}
	case "meta":
		if v := attr(n, "content"); attr(n, "name") == "viewport" && v != "width=device-width, initial-scale=1" {
			t.Errorf("viewport %q keeps people from zooming", v)
		}
	case "a", "button", "h1", "dt", "title":
		if words(n) == "" {
			t.Errorf("<%s> says nothing", n.Data)
		}
	case "form":
		if attr(n, "method") != "post" || !strings.HasPrefix(attr(n, "action"), "/.gateway/") {
			t.Errorf("form %s to %s", attr(n, "method"), attr(n, "action"))
		}
	}
}

func attr(n *html.Node, key string) string {
	if i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key }); i >= 0 {
		return n.Attr[i].Val
	}
	return ""
}

func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

// TestPagesStyle: the contrast of every pair of colours, in the light and in
// the dark scheme (WCAG 2.2, 1.4.3 and 1.4.11); and nothing moves.
func TestPagesStyle(t *testing.T) {
	if got := contrast(t, "fff", "767676"); got < 4.54 || got > 4.55 { // the well-known borderline grey
		t.Fatalf("contrast of white and #767676 = %.3f, want 4.54", got)
	}
	css := gateway.PageStyle
	for i, scheme := range schemes(t, css) {
		for _, pair := range []struct {
			front, back string
			least       float64
		}{
			{"text", "card", 4.5}, {"text", "ground", 4.5}, {"quiet", "card", 4.5}, // texts
			{"on", "accent", 4.5}, {"accent", "card", 4.5}, // buttons, filled and plain; the focus ring
		} {
			if scheme[pair.front] == "" || scheme[pair.back] == "" {
				t.Fatalf("scheme %d lacks --%s or --%s", i, pair.front, pair.back)
			}
			if got := contrast(t, scheme[pair.front], scheme[pair.back]); got < pair.least {
				t.Errorf("scheme %d: --%s on --%s has a contrast of %.2f, want %.1f", i, pair.front, pair.back, got, pair.least)
			}
		}
	}
	if rest := colours.ReplaceAllString(css, ""); regexp.MustCompile(`#[0-9a-fA-F]{3}|rgb|hsl`).MatchString(rest) {
		t.Error("a colour stands outside the two schemes")
	}
	for _, word := range []string{"animation", "transition", "outline:none", "outline:0", "url(", "@import", "px;font"} {
		if strings.Contains(css, word) {
			t.Errorf("the style sheet says %s", word)
		}
	}
	if !strings.Contains(css, ":focus-visible{outline:3px") {
		t.Error("focus is not visible")
	}
}

var (
	colours = regexp.MustCompile(`:root\{([^}]*)\}`)
	colour  = regexp.MustCompile(`--([a-z]+):#([0-9a-f]{3,6})\b`)
)

// schemes reads the colours of both schemes from the style sheet.
func schemes(t *testing.T, css string) [2]map[string]string {
	t.Helper()
	blocks := colours.FindAllStringSubmatch(css, -1)
	if len(blocks) != 2 || !strings.Contains(css, "@media(prefers-color-scheme:dark)") {
		t.Fatalf("%d sets of colours, want a light and a dark one", len(blocks))
	}
	var both [2]map[string]string
	for i, block := range blocks {
		both[i] = map[string]string{}
		for _, c := range colour.FindAllStringSubmatch(block[1], -1) {
			both[i][c[1]] = c[2]
		}
	}
	return both
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = fmt.Sprintf("%c%c%c%c%c%c", hex[0], hex[0], hex[1], hex[1], hex[2], hex[2])
	}
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		v := float64(n) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// TestBothLanguagesSayTheSame: no text, paragraph or button is there in one
// language only.
func TestBothLanguagesSayTheSame(t *testing.T) {
	en, fr := gateway.TextKeys("en"), gateway.TextKeys("fr")
	for _, k := range append(slices.Clone(en), fr...) {
		if !slices.Contains(en, k) || !slices.Contains(fr, k) {
			t.Errorf("%s is in one language only", k)
		}
	}
}
