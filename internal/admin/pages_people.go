package admin

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// maxExport is how many pages of notifications a file has at most: it is made in
// memory. The command knows no such bound.
const maxExport = 100

type peoplePage struct {
	Host, Person string // as asked
	Found        *Person
	Sessions     int
}

func (p *pages) people(r *http.Request) (view, error) {
	query := filters(r)
	data := peoplePage{Host: query.Get("host"), Person: query.Get("person")}
	v := view{Page: "people", Title: "People"}
	if err := onlyKnown(query, "host", "person"); err != nil || data.Host == "" || data.Person == "" {
		v.Data = data
		return v, err
	}
	found, err := p.cfg.person(r.Context(), query)
	if err == nil {
		data.Found = &found
		data.Sessions, err = p.cfg.Gateway.CountSessions(r.Context(), gateway.SessionQuery{Route: data.Host, Person: found.User})
	}
	v.Data = data
	return v, err
}

func (p *pages) acceptEmail(r *http.Request) (string, error) {
	host, person := r.PostForm.Get("host"), r.PostForm.Get("person")
	_, err := p.cfg.acceptEmail(r.Context(), AcceptEmail{p.operator(r), host, person})
	return "/ui/people?" + url.Values{"host": {host}, "person": {person}, "done": {"accepted"}}.Encode(), err
}

// export gives what is kept of a person as a file, the pages of POST
// /people/export as one.
func (p *pages) export(w http.ResponseWriter, r *http.Request) {
	all, err := p.wholeExport(r)
	if err != nil {
		status, text := p.cfg.failure(r, err)
		p.refuse(w, r, status, text)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="person-`+strings.ReplaceAll(all.Host, ".", "-")+`.json"`)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(all) // a browser that has gone away misses nothing
}

func (p *pages) wholeExport(r *http.Request) (PersonExport, error) {
	if err := r.ParseForm(); err != nil {
		return PersonExport{}, mistake("the form cannot be read")
	}
	asked := PersonRequest{Operator: p.operator(r), Host: r.PostForm.Get("host"), Person: r.PostForm.Get("person")}
	all, err := p.cfg.exportPerson(r.Context(), asked)
	if err != nil {
		return all, err
	}
	list := &all.Notifications
	for range maxExport {
		if list.Next == "" {
			return all, nil
		}
		asked.Cursor = list.Next
		page, err := p.cfg.exportPerson(r.Context(), asked)
		if err != nil {
			return all, err
		}
		list.Notifications, list.Next = append(list.Notifications, page.Notifications.Notifications...), page.Notifications.Next
	}
	return all, mistake("too much is kept of this person for a page: ask for it by the command people export")
}
