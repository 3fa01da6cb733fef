package slacksim

import (
	"bytes"
	"embed"
	"fmt"
	"hash/fnv"
	"html"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

//go:embed templates
var templates embed.FS

func parsePages() (*template.Template, error) {
	t, err := template.ParseFS(templates, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	return t, nil
}

// signedInCookie remembers who last chose themselves on an authorize page.
const signedInCookie = "slack_signed_in"

// frame is what every page has.
type frame struct {
	Lang  string
	T     map[string]string
	Title string
}

func newFrame(r *http.Request) frame {
	lang := language(r)
	return frame{Lang: lang, T: words(lang)}
}

// face is a person, bot or workspace on a page.
type face struct {
	ID, Team, Name, Email string
	Initials              string
	Tint                  int // one of eight colours
	Guest, Admin          bool
	Deactivated           bool
	SignedIn              bool
	Tags                  []string // such as "Guest", in the page's language
}

func newFace(team, id, name string) face {
	return face{Team: team, ID: id, Name: name, Initials: initials(name), Tint: tint(team + id)}
}

// face is a person of the workspace.
func (ws *workspace) face(p *Person) face {
	f := newFace(ws.ID, p.ID, p.Name)
	f.Email, f.Deactivated = p.Email, p.Deactivated
	f.Guest, f.Admin = p.Guest || p.SingleChannelGuest, p.Admin || p.Owner
	// By position, so that neighbours never look the same.
	f.Tint = slices.IndexFunc(ws.People, func(q Person) bool { return q.ID == p.ID }) % tints
	return f
}

// teamFace is a workspace. The caller holds mu.
func (s *Sim) teamFace(ws *workspace) face {
	f := newFace(ws.ID, ws.ID, ws.Name)
	f.Tint = (slices.Index(s.order, ws.ID) + tints/2) % tints
	return f
}

// initials are the first letters of the first and last word.
func initials(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		return "?"
	}
	out := string([]rune(words[0])[:1])
	if len(words) > 1 {
		out += string([]rune(words[len(words)-1])[:1])
	}
	return strings.ToUpper(out)
}

// tints is how many colours the pages have for faces.
const tints = 8

func tint(key string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // a hash never fails
	return int(h.Sum32() % tints)
}

// show writes a page. It is made whole first, so that a mistake in a template
// is a clean 500.
func (s *Sim) show(w http.ResponseWriter, status int, name string, data any) {
	var page bytes.Buffer
	if err := s.pages.ExecuteTemplate(&page, name, data); err != nil {
		s.cfg.Log.Error("slack page failed", "page", name, "error", err)
		http.Error(w, "page failed", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	// No form-action: Chromium applies it to redirects after a form too, and
	// the authorize form ends at the app.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' https: data:; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w)
}

func serveStyle(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, templates, "templates/slack.css")
}

func (s *Sim) avatarURL(team, id string) string { return s.cfg.BaseURL + "/avatar/" + team + "/" + id }

// serveAvatar draws initials; id is a person's, or the workspace's own.
func (s *Sim) serveAvatar(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	ws := s.workspaces[r.PathValue("team")]
	id := r.PathValue("user")
	var f face
	if ws != nil && id == ws.ID {
		f = s.teamFace(ws)
	} else if ws != nil && ws.people[id] != nil {
		f = ws.face(ws.people[id])
	}
	s.mu.Unlock()
	if f.ID == "" {
		http.NotFound(w, r)
		return
	}
	colours := [tints]string{"#7c3085", "#1264a3", "#007a5a", "#b3560a", "#5b4bb7", "#0b6e8a", "#a3265b", "#515f12"}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"><rect width="72" height="72" rx="12" fill="%s"/><text x="36" y="46" font-family="sans-serif" font-size="28" font-weight="700" fill="#fff" text-anchor="middle">%s</text></svg>`,
		colours[f.Tint], html.EscapeString(f.Initials))
}

// homePage lists the workspaces.
type homePage struct {
	frame
	Workspaces []homeWorkspace
}

type homeWorkspace struct {
	face
	Domain           string
	People, Messages int
	Apps             []string
}

func (s *Sim) showHome(w http.ResponseWriter, r *http.Request) {
	page := homePage{frame: newFrame(r)}
	page.Title = page.T["home_title"]
	s.mu.Lock()
	for _, id := range s.order {
		ws := s.workspaces[id]
		h := homeWorkspace{face: s.teamFace(ws), Domain: ws.Domain, People: len(ws.People)}
		for _, conv := range ws.conversations {
			h.Messages += len(conv.messages)
		}
		for _, a := range s.appOrder {
			if s.apps[a].Workspace == id {
				h.Apps = append(h.Apps, s.apps[a].Name)
			}
		}
		page.Workspaces = append(page.Workspaces, h)
	}
	s.mu.Unlock()
	s.show(w, http.StatusOK, "home.html", page)
}
