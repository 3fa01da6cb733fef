package admin

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"time"
)

// Alarm is something that needs a person, with what it means and what to do.
type Alarm struct {
	Route   string    `json:"route"`  // host; empty: it is not a route's
	Kind    string    `json:"kind"`   // as notifyhook.Alarm and gateway.Alarm say, or certificate
	Reason  string    `json:"reason"` // Slack's error name or a constant word
	Since   time.Time `json:"since"`
	Meaning string    `json:"meaning"` // in sentences
	Remedy  string    `json:"remedy"`
}

// AlarmList is the answer of GET /alarms.
type AlarmList struct {
	Alarms []Alarm `json:"alarms"` // those of no route first, then by route
}

// listAlarms is GET /alarms.
func (cfg Config) listAlarms(_ context.Context, query url.Values) (AlarmList, error) {
	return AlarmList{cfg.alarms()}, onlyKnown(query)
}

// alarms are those of all parts. Nobody is asked.
func (cfg Config) alarms() []Alarm {
	list := []Alarm{} // never null in JSON
	for _, a := range cfg.Relay.Alarms() {
		meaning, remedy := a.Advice()
		list = append(list, Alarm{a.Route, a.Kind, a.Reason, a.Since, meaning, remedy})
	}
	for _, a := range cfg.Gateway.Alarms() {
		meaning, remedy := a.Advice()
		list = append(list, Alarm{a.Route, a.Kind, a.Reason, a.Since, meaning, remedy})
	}
	if cfg.CertificateAlarms != nil {
		list = append(list, cfg.CertificateAlarms()...)
	}
	slices.SortStableFunc(list, func(a, b Alarm) int { return cmp.Compare(a.Route, b.Route) })
	return list
}

func byRoute(list []Alarm) map[string][]Alarm {
	routes := map[string][]Alarm{}
	for _, a := range list {
		routes[a.Route] = append(routes[a.Route], a)
	}
	return routes
}
