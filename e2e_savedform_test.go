package main

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// formApp is an old app with two forms. It notes every POST.
type formApp struct {
	mu  sync.Mutex
	got []sentForm
}

type sentForm struct{ target, kind, referer, body string }

const formPage = `<!doctype html><meta charset="utf-8"><title>Dossier 12</title><body style="font-family:serif">
<h1>Dossier 12</h1>
<form id="note" method="post" action="/note.php?dossier=12&amp;q=50%&amp;x"><p><textarea name="texte" cols="60" rows="6"></textarea></p>
<p><input name="mdp" type="hidden" value="hunter2"><input name="vide"><button>Enregistrer</button></p></form>
<form id="file" method="post" action="/fichier.php" enctype="multipart/form-data"><p><input name="titre"> <input type="file" name="piece"> <button>Envoyer</button></p></form>`

func (a *formApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// Strict apps let their forms go to themselves alone, redirects included.
	w.Header().Set("Content-Security-Policy", "form-action 'self'")
	if r.Method != http.MethodPost {
		io.WriteString(w, formPage)
		return
	}
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	a.got = append(a.got, sentForm{r.RequestURI, r.Header.Get("Content-Type"), r.Referer(), string(body)})
	n := len(a.got)
	a.mu.Unlock()
	fmt.Fprintf(w, `<!doctype html><title>ok</title><h1 id="done">Enregistré (%d)</h1>`, n)
}

func (a *formApp) posts() []sentForm {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]sentForm(nil), a.got...)
}

// lapse waits until the browser's session has expired. It asks in the
// background, which keeps no session alive.
func (tb *tab) lapse() {
	tb.t.Helper()
	tb.until(`(x => (x.open("GET", "/.gateway/me", false), x.send(), x.status === 401))(new XMLHttpRequest)`)
}

// TestE2EFormOutlivesItsSession: a person writes for so long that the session
// expires. What they wrote is not lost: they sign in, see it, and send it, once.
func TestE2EFormOutlivesItsSession(t *testing.T) {
	newTab := chromium(t)
	app := &formApp{}
	srv := httptest.NewServer(app)
	t.Cleanup(srv.Close)
	d := newDemo(t)
	d.upstream, d.idle = srv.URL, 6*time.Second
	startDemo(t, d)
	origin := fmt.Sprintf("http://%s:%d", customers[0].Host, d.Port)
	marie := `button[data-user="U0MARIE"]`
	const text = "Réunion de l’équipe : 14 h, salle « été ».\nÀ vérifier : 50 % & <plus>"
	overheard.keep("text of a kept form", text[:strings.Index(text, ",")])

	// begin opens the forms, lets f fill one in, and waits too long.
	begin := func(t *testing.T, width int, f func(tb *tab)) *tab {
		tb := newTab(t, width, 900)
		tb.open(origin + "/dossier.php?n=12")
		tb.follow(marie)
		tb.sees("#note")
		f(tb)
		tb.lapse()
		return tb
	}
	t.Run("a text", func(t *testing.T) {
		before := len(app.posts())
		tb := begin(t, 1200, func(tb *tab) { tb.run(chromedp.SetValue(`#note textarea`, text)) })
		tb.click("#note button")
		tb.follow(marie)
		page := tb.sees("main")
		for _, want := range []string{"Send it now?", text, "/note.php?dossier=12&q=50%&x", "••••••"} {
			if !strings.Contains(page, want) {
				t.Errorf("the page does not say %q: %s", want, page)
			}
		}
		if strings.Contains(page, "hunter2") || strings.Contains(page, "vide") {
			t.Errorf("the page shows too much: %s", page)
		}
		tb.shot("savedform-1-text")
		form := value(tb, chromedp.Location())
		tb.follow("#send")
		tb.sees("#done")
		if at := value(tb, chromedp.Location()); at != origin+"/note.php?dossier=12&q=50%&x" {
			t.Errorf("the browser stands at %s", at)
		}
		posts := app.posts()[before:]
		if len(posts) != 1 {
			t.Fatalf("the app got %+v", posts)
		}
		fields, err := url.ParseQuery(posts[0].body)
		if err != nil || posts[0].target != "/note.php?dossier=12&q=50%&x" || posts[0].referer != origin+"/dossier.php?n=12" ||
			fields.Get("texte") != strings.ReplaceAll(text, "\n", "\r\n") || fields.Get("mdp") != "hunter2" || !fields.Has("vide") {
			t.Errorf("the app got %+v (%v)", posts[0], err)
		}

		tb.until(`window.left = true`)
		tb.run(chromedp.Reload())
		tb.until(`window.left !== true && document.readyState === "complete"`)
		tb.shot("savedform-2-reloaded")
		if page := tb.sees("h1"); !strings.Contains(page, "passed on already") {
			t.Errorf("after reloading the answer: %s", page)
		}
		tb.open(form)
		tb.sees("h1")
		tb.shot("savedform-3-sent")
		if n := len(app.posts()) - before; n != 1 {
			t.Errorf("the app got the form %d times", n)
		}
	})
	t.Run("a file", func(t *testing.T) {
		before := len(app.posts())
		content := append([]byte("\x00\xff\r\n--"), bytes.Repeat([]byte("été\n"), 5000)...)
		file := filepath.Join(t.TempDir(), "été.bin")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		tb := begin(t, 390, func(tb *tab) {
			tb.run(chromedp.SetValue(`#file input[name=titre]`, "Photo d’été"), chromedp.SetUploadFiles(`#file input[type=file]`, []string{file}))
		})
		tb.click("#file button")
		tb.follow(marie)
		if page := tb.sees("main"); !strings.Contains(page, "été.bin (30 kB)") || !strings.Contains(page, "Photo d’été") {
			t.Errorf("the page says: %s", page)
		}
		tb.shot("savedform-4-file-phone")
		tb.follow("#send")
		tb.sees("#done")
		posts := app.posts()[before:]
		if len(posts) != 1 || posts[0].target != "/fichier.php" {
			t.Fatalf("the app got %+v", posts)
		}
		_, params, err := mime.ParseMediaType(posts[0].kind)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := multipart.NewReader(strings.NewReader(posts[0].body), params["boundary"]).ReadForm(1 << 20)
		if err != nil || len(parts.File["piece"]) != 1 || parts.Value["titre"][0] != "Photo d’été" {
			t.Fatalf("the app got %+v, %v", parts, err)
		}
		f, err := parts.File["piece"][0].Open()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
			t.Errorf("the file arrived with %d bytes, want %d (%v)", len(got), len(content), err)
		}
	})
	t.Run("too large", func(t *testing.T) {
		before := len(app.posts())
		file := filepath.Join(t.TempDir(), "film.bin")
		if err := os.WriteFile(file, make([]byte, 20<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		tb := begin(t, 390, func(tb *tab) { tb.run(chromedp.SetUploadFiles(`#file input[type=file]`, []string{file})) })
		tb.follow("#file button")
		if page := tb.sees("main"); !strings.Contains(page, "too large to be kept") {
			t.Errorf("the page says: %s", page)
		}
		tb.shot("savedform-5-too-large")
		if n := len(app.posts()); n != before {
			t.Errorf("the app got %d forms", n-before)
		}
	})
}
