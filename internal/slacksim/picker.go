package slacksim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// pickerPage is the authorize page: who are you, and may the app?
type pickerPage struct {
	frame
	Action    string
	App       face
	Install   bool
	Scopes    []string
	Workspace pickerWorkspace   // where the app expects the person
	Others    []pickerWorkspace // so that a wrong choice can be tried
	OpenOther bool              // the signed-in person is in one of them
}

type pickerWorkspace struct {
	face
	Domain string
	People []face
}

// showPicker shows the people of the workspace named by team=, else of the
// signed-in person's, else of the app's own; the signed-in person comes first.
func (s *Sim) showPicker(w http.ResponseWriter, r *http.Request, g *grant) {
	var me personRef
	if c, err := r.Cookie(signedInCookie); err == nil {
		me.team, me.user, _ = strings.Cut(c.Value, ":")
	}
	page := pickerPage{frame: newFrame(r), Action: r.URL.RequestURI(), Install: g.purpose == installing}
	title := "signin_title"
	if page.Install {
		title = "install_title"
	}
	s.mu.Lock()
	page.App = newFace("", g.app.ID, g.app.Name)
	page.Title = fmt.Sprintf(page.T[title], g.app.Name)
	for _, scope := range slices.Concat(g.scopes, g.userScopes) {
		text := page.T["scope_"+scope]
		if text == "" {
			text = scope
		}
		page.Scopes = append(page.Scopes, text)
	}
	home := r.URL.Query().Get("team")
	if s.workspaces[home] == nil {
		home = me.team
	}
	if s.workspaces[home] == nil {
		home = g.app.Workspace
	}
	for _, id := range s.order {
		entry := s.pickerEntry(s.workspaces[id], me, page.T)
		if id == home {
			page.Workspace = entry
			continue
		}
		page.Others = append(page.Others, entry)
		page.OpenOther = page.OpenOther || id == me.team
	}
	s.mu.Unlock()
	s.show(w, http.StatusOK, "authorize.html", page)
}

// pickerEntry lists who can sign in to a workspace.
func (s *Sim) pickerEntry(ws *workspace, me personRef, t map[string]string) pickerWorkspace {
	entry := pickerWorkspace{face: s.teamFace(ws), Domain: ws.Domain}
	for i := range ws.People {
		p := &ws.People[i]
		if p.Deactivated {
			continue
		}
		f := ws.face(p)
		if f.Guest {
			f.Tags = append(f.Tags, t["guest"])
		}
		if f.Admin {
			f.Tags = append(f.Tags, t["admin"])
		}
		f.SignedIn = me == personRef{ws.ID, p.ID}
		if f.SignedIn {
			f.Tags = append(f.Tags, t["signed_in"])
			entry.People = slices.Insert(entry.People, 0, f)
		} else {
			entry.People = append(entry.People, f)
		}
	}
	return entry
}

// refusalPage is Slack's own error page.
type refusalPage struct {
	frame
	Code, Detail  string
	Undistributed bool
	Back          string
}

func (s *Sim) showRefusal(w http.ResponseWriter, r *http.Request, no *refusal) {
	page := refusalPage{frame: newFrame(r), Code: no.code, Detail: no.detail,
		Undistributed: no.code == "invalid_team_for_non_distributed_app"}
	page.Title = page.T["wrong_title"]
	if r.Method == http.MethodPost {
		page.Back = r.URL.RequestURI()
	}
	s.show(w, http.StatusBadRequest, "refusal.html", page)
}
