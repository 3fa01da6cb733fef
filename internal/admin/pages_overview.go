package admin

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// mostAlarms is how many the first page shows; the others have a page.
const mostAlarms = 10

// trouble is one thing that needs a person.
type trouble struct {
	What, Meaning, Remedy string
	Link                  string // to more about it; empty: there is no more
	Since                 time.Time
}

type overview struct {
	Troubles      []trouble
	More          int // alarms that are not among them
	Ready         bool
	Configuration Configuration
	Version       string
	Queue         notifyhook.Stats
	Counted       time.Time // when Queue was; zero: the first count is not over
	Sessions      int
}

// overview is what an operator looks at first.
func (p *pages) overview(r *http.Request) (view, error) {
	o := overview{Configuration: p.cfg.Configuration(), Version: p.cfg.Version}
	failed := failing(r.Context(), p.cfg.Ready, false)
	o.Ready = true
	for name, err := range failed {
		if isNotice(err) {
			if name != configurationCheck { // told below, and better
				o.Troubles = append(o.Troubles, trouble{What: "Needs attention: " + name, Meaning: err.Error()})
			}
			continue
		}
		o.Ready = false
		o.Troubles = append(o.Troubles, trouble{What: "Not ready: " + name + " does not work", Meaning: err.Error(), Remedy: "Until it does, load balancers are told to send nobody here."})
	}
	slices.SortFunc(o.Troubles, func(a, b trouble) int { return strings.Compare(a.What, b.What) })
	if c := o.Configuration; c.Error != "" {
		o.Troubles = append(o.Troubles, trouble{What: "The configuration file has mistakes; the one before it goes on", Meaning: c.Error, Remedy: "Mend the file; it is read again when it changes.", Since: c.ErrorAt})
	}
	if c := o.Configuration; len(c.Restart) > 0 {
		o.Troubles = append(o.Troubles, trouble{What: "A restart is needed", Meaning: "New values of " + strings.Join(c.Restart, ", ") + " hold after a restart only."})
	}
	alarms := p.cfg.alarms()
	for i, a := range alarms {
		if i == mostAlarms {
			o.More = len(alarms) - i
			break
		}
		o.Troubles = append(o.Troubles, a.trouble())
	}
	v := view{Page: "overview", Title: "Overview"}
	var err error
	if o.Queue, o.Counted, err = p.cfg.Relay.RecentStats(); err == nil {
		o.Sessions, err = p.cfg.Gateway.SessionCount(r.Context())
	}
	v.Data = o
	return v, err
}

// trouble is an alarm as the first page shows it.
func (a Alarm) trouble() trouble {
	t := trouble{What: a.Kind + " (" + a.Reason + ")", Meaning: a.Meaning, Remedy: a.Remedy, Since: a.Since}
	if a.Route != "" {
		t.What, t.Link = a.Route+": "+t.What, "/ui/routes/"+a.Route
	}
	return t
}

func (p *pages) alarms(*http.Request) (view, error) {
	var list []trouble
	for _, a := range p.cfg.alarms() {
		list = append(list, a.trouble())
	}
	return view{Page: "alarms", Title: "Alarms", Data: list}, nil
}

type routesPage struct {
	RouteList
	Search, Show string
	First, After string // addresses of pages; empty: there is none
}

func (p *pages) routes(r *http.Request) (view, error) {
	query := filters(r)
	list, err := p.cfg.listRoutes(r.Context(), query)
	data := routesPage{RouteList: list, Search: query.Get("search"), Show: query.Get("show"), First: first(query, "/ui/routes")}
	data.After = after(r, query, list.Next)
	return view{Page: "routes", Title: "Routes", Data: data}, err
}

type routePage struct {
	Route
	Troubles    []trouble
	Failures    []notifyhook.Failure
	Credentials []notifyhook.CredentialUse
	Sessions    int
	Certificate time.Time // until when it is good; zero: not known
}

func (p *pages) route(r *http.Request) (view, error) {
	ctx := r.Context()
	rt, err := p.cfg.showRoute(ctx, r.PathValue("host"))
	if err != nil {
		return view{Page: "error", Title: "Not found"}, err
	}
	data, v := routePage{Route: rt}, view{Page: "route", Title: rt.Host}
	if p.cfg.CertificateUntil != nil {
		data.Certificate = p.cfg.CertificateUntil(rt.Host)
	}
	for _, a := range rt.Alarms {
		t := a.trouble()
		t.What, t.Link = a.Kind+" ("+a.Reason+")", ""
		data.Troubles = append(data.Troubles, t)
	}
	if rt.Login {
		if data.Sessions, err = p.cfg.Gateway.CountSessions(ctx, gateway.SessionQuery{Route: rt.Host}); err != nil {
			return v, err
		}
	}
	if rt.Notify {
		if data.Failures, err = p.cfg.Relay.Failures(ctx, rt.Host); err != nil {
			return v, err
		}
		if data.Credentials, err = p.cfg.Relay.CredentialUse(ctx, rt.Host); err != nil {
			return v, err
		}
	}
	v.Data = data
	return v, nil
}

type auditPage struct {
	AuditTrail
	Search       string
	First, After string
}

func (p *pages) audit(r *http.Request) (view, error) {
	query := filters(r)
	list, err := p.cfg.listAudit(r.Context(), query)
	data := auditPage{AuditTrail: list, Search: query.Get("search"), First: first(query, "/ui/audit")}
	data.After = after(r, query, list.Next)
	return view{Page: "audit", Title: "Audit", Data: data}, err
}
