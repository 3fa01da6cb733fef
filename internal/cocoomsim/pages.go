package cocoomsim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// home lists the dossiers, the visitor's tasks and what happened lately.
func (a *App) home(w http.ResponseWriter, v *visit) error {
	type myTask struct {
		task
		Dossier int
	}
	var mine []myTask
	dossiers := v.tenant.board.all()
	for _, d := range dossiers {
		for _, t := range d.Tasks {
			if t.For.Email == v.account().Email {
				mine = append(mine, myTask{t, d.N})
			}
		}
	}
	return a.render(w, v, http.StatusOK, content{"accueil", "Dossiers", struct {
		Dossiers []dossier
		Mine     []myTask
		Recent   []int
		Activity []event
	}{dossiers, mine, v.session.Recent(), v.tenant.board.activity()}})
}

// account is the visitor as the tenant's accounts know them, whose spelling
// of the e-mail address tasks carry.
func (v *visit) account() Person {
	if p, ok := v.tenant.colleague(v.who.Email); ok {
		return p
	}
	return v.who.Person
}

// dossier shows one tab of a dossier: /dossiers/12?onglet=notes.
func (a *App) dossier(w http.ResponseWriter, v *visit) error {
	d, err := v.dossierNumbered(v.PathValue("n"))
	if err != nil {
		return err
	}
	tab := v.URL.Query().Get("onglet")
	if !slices.Contains([]string{"notes", "taches", "fichiers"}, tab) {
		tab = "notes"
	}
	v.session.saw(d.N)
	return a.render(w, v, http.StatusOK, content{"dossier", fmt.Sprintf("Dossier %d", d.N), struct {
		dossier
		Tab    string
		People []Person
		Me     Person
	}{d, tab, v.tenant.People, v.account()}})
}

// dossierNumbered finds a dossier by the number as it stands in a request.
func (v *visit) dossierNumbered(number string) (dossier, error) {
	n, err := strconv.Atoi(number)
	if err == nil {
		if d, ok := v.tenant.board.dossier(n); ok {
			return d, nil
		}
	}
	return dossier{}, &pageError{http.StatusNotFound, "Ce dossier n’existe pas."}
}

// profile shows who the app takes the visitor for, and everything it goes by.
func (a *App) profile(w http.ResponseWriter, v *visit) error {
	type received struct {
		Name, Value string
		Present     bool
	}
	var headers []received
	for _, name := range []string{
		"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups", "X-Gateway-Team",
	} {
		headers = append(headers, received{name, header(v.Request, name), len(v.Header.Values(name)) > 0})
	}
	return a.render(w, v, http.StatusOK, content{"profil", "Mon profil", struct {
		Headers []received
		Session *session
	}{headers, v.session}})
}

// logout is the app's own sign-out: it ends the app's session and goes to the
// start page, as if the app had a login form there.
func (a *App) logout(w http.ResponseWriter, v *visit) error {
	v.tenant.sessions.end(w, v.session)
	http.Redirect(w, v.Request, "/", http.StatusFound)
	return nil
}

// help is the one page meant for everybody.
func (a *App) help(w http.ResponseWriter, v *visit) error {
	return a.render(w, v, http.StatusOK, content{"aide", "Aide", nil})
}
