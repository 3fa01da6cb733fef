package slacksim

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // what Slack takes as an icon
	_ "image/jpeg" // what Slack takes as an icon
	_ "image/png"  // what Slack takes as an icon
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
)

// The pages of api.slack.com on which a person creates an app and looks at it,
// in English alone, as they are there.

// appsPage is api.slack.com/apps: the apps, or the form for another one.
type appsPage struct {
	frame
	Apps     []appFace
	New      bool
	Manifest string
	Mistakes []manifestMistake
	// Review is what Slack shows of the manifest before it creates the app.
	Review     appManifest
	Workspaces []appWorkspace
}

type appFace struct {
	face
	Workspace string
}

type appWorkspace struct {
	ID, Name string
	Chosen   bool
}

// showApps is GET /apps; with new_app=1 and manifest_json or manifest_yaml the
// form is filled in (https://docs.slack.dev/app-manifests/configuring-apps-with-app-manifests).
func (s *Sim) showApps(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	text := cmp.Or(q.Get("manifest_json"), q.Get("manifest_yaml"))
	if q.Get("new_app") == "" || text == "" {
		s.mu.Lock()
		page := appsPage{frame: newFrame(r)}
		for _, id := range s.appOrder {
			a := s.apps[id]
			page.Apps = append(page.Apps, appFace{newFace("", a.ID, a.Name), s.workspaces[a.Workspace].Name})
		}
		s.mu.Unlock()
		page.Title = "Your Apps"
		s.show(w, http.StatusOK, "apps.html", page)
		return
	}
	m, mistakes := readManifest(text)
	s.showNewApp(w, r, text, m, mistakes)
}

func (s *Sim) showNewApp(w http.ResponseWriter, r *http.Request, text string, m appManifest, mistakes []manifestMistake) {
	page := appsPage{frame: newFrame(r), New: true, Manifest: text, Mistakes: mistakes, Review: m}
	page.Title = "Create app from manifest"
	chosen := r.FormValue("workspace")
	if c, err := r.Cookie(signedInCookie); err == nil && chosen == "" {
		chosen, _, _ = strings.Cut(c.Value, ":")
	}
	s.mu.Lock()
	for _, id := range s.order {
		page.Workspaces = append(page.Workspaces, appWorkspace{id, s.workspaces[id].Name, id == chosen})
	}
	s.mu.Unlock()
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusBadRequest
	}
	s.show(w, status, "newapp.html", page)
}

// createApp is the form's button.
func (s *Sim) createApp(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	text := r.PostFormValue("manifest")
	m, mistakes := readManifest(text)
	if r.PostFormValue("workspace") == "" {
		mistakes = append(mistakes, manifestMistake{Message: "pick a workspace to develop your app in", Pointer: "/"})
	}
	if len(mistakes) > 0 {
		s.showNewApp(w, r, text, m, mistakes)
		return
	}
	s.mu.Lock()
	a, err := s.fromManifest(m, r.PostFormValue("workspace"))
	s.mu.Unlock()
	if err != nil {
		s.showNewApp(w, r, text, m, []manifestMistake{{Message: err.Error(), Pointer: "/"}})
		return
	}
	http.Redirect(w, r, "/apps/"+a.ID+"/general", http.StatusSeeOther)
}

// fromManifest creates an app. Its events go nowhere until somebody has had the
// request URL verified: a manifest does not do that
// (https://docs.slack.dev/app-manifests/configuring-apps-with-app-manifests).
// The caller holds mu.
func (s *Sim) fromManifest(m appManifest, team string) (*app, error) {
	number := func() string {
		n, err := rand.Int(rand.Reader, big.NewInt(9_000_000_000_000))
		if err != nil { // crypto/rand never fails
			panic(err)
		}
		return fmt.Sprint(n.Int64() + 1_000_000_000_000)
	}
	secret := func() string {
		raw := make([]byte, 16)
		_, _ = rand.Read(raw) // never fails
		return hex.EncodeToString(raw)
	}
	a := App{
		ID: "A" + rand.Text()[:10], Name: m.Display.Name, Description: m.Display.Description, Background: m.Display.Background,
		ClientID: number() + "." + number(), ClientSecret: secret(), SigningSecret: secret(),
		RedirectURLs: m.OAuth.RedirectURLs, Workspace: team, MessagesTab: m.Features.Home.Messages,
	}
	if m.Features.Bot != nil {
		a.BotName = m.Features.Bot.DisplayName
	}
	if e := m.Settings.Events; e != nil && e.RequestURL != "" {
		a.EventsURL, a.Events, a.EventsUnverified = e.RequestURL, append([]string{}, e.BotEvents...), true
	}
	if err := s.addApp(a); err != nil {
		return nil, err
	}
	return s.apps[a.ID], nil
}

// appPage is an app's Basic Information.
type appPage struct {
	frame
	App      App
	Face     face
	HasIcon  bool
	Verified bool   // events go out
	Said     string // what became of the last click
}

func (s *Sim) showApp(w http.ResponseWriter, r *http.Request) {
	s.appInfo(w, r, http.StatusOK, "")
}

func (s *Sim) appInfo(w http.ResponseWriter, r *http.Request, status int, said string) {
	s.mu.Lock()
	a := s.apps[r.PathValue("app")]
	page := appPage{frame: newFrame(r), Said: said}
	if a != nil {
		page.App, page.Face, page.HasIcon, page.Verified = a.App, newFace("", a.ID, a.Name), a.icon != nil, !a.EventsUnverified
	}
	s.mu.Unlock()
	if a == nil {
		http.NotFound(w, r)
		return
	}
	page.Title = "Basic Information"
	s.show(w, status, "app.html", page)
}

// verifyEvents asks the request URL for the challenge, as Slack does when a
// person has it verified.
func (s *Sim) verifyEvents(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	a := s.apps[r.PathValue("app")]
	address := ""
	if a != nil {
		address = a.EventsURL
	}
	s.mu.Unlock()
	if address == "" {
		http.NotFound(w, r)
		return
	}
	challenge := rand.Text()
	status, body, err := s.SendChallenge(r.Context(), a.ID, address, challenge)
	if err != nil || status != http.StatusOK || !strings.Contains(body, challenge) {
		s.appInfo(w, r, http.StatusBadRequest, "Your URL didn't respond with the value of the challenge parameter.")
		return
	}
	s.mu.Lock()
	a.EventsUnverified = false
	s.mu.Unlock()
	http.Redirect(w, r, "/apps/"+url.PathEscape(a.ID)+"/general", http.StatusSeeOther)
}

// The sides of an icon, in pixels
// (https://docs.slack.dev/reference/methods/apps.icon.set).
const (
	minIcon = 512
	maxIcon = 2000
)

// takeIcon is the icon's upload field.
func (s *Sim) takeIcon(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 8*maxBody)
	icon, err := readIcon(r)
	if err != nil {
		s.appInfo(w, r, http.StatusBadRequest, err.Error())
		return
	}
	s.mu.Lock()
	a := s.apps[r.PathValue("app")]
	if a != nil {
		a.icon = icon
	}
	s.mu.Unlock()
	if a == nil {
		http.NotFound(w, r)
		return
	}
	http.Redirect(w, r, "/apps/"+url.PathEscape(a.ID)+"/general", http.StatusSeeOther)
}

func readIcon(r *http.Request) ([]byte, error) {
	file, _, err := r.FormFile("icon")
	if err != nil {
		return nil, errors.New("choose a picture first")
	}
	defer file.Close()
	size, _, err := image.DecodeConfig(file)
	if err != nil {
		return nil, errors.New("upload a PNG, JPG or GIF")
	}
	if size.Width != size.Height || size.Width < minIcon || size.Width > maxIcon {
		return nil, fmt.Errorf("your app icon must be square, from %d to %d pixels, not %d × %d", minIcon, maxIcon, size.Width, size.Height)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(file)
}

func (s *Sim) serveIcon(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	var icon []byte
	if a := s.apps[r.PathValue("app")]; a != nil {
		icon = a.icon
	}
	s.mu.Unlock()
	if icon == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", http.DetectContentType(icon))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(icon)
}
