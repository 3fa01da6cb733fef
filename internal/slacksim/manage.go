package slacksim

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// eventClient is the client for events: it waits as long as Slack does, and takes
// every name under .localhost for this machine (RFC 6761, section 6.3), as
// browsers do and many resolvers do not.
func eventClient() *http.Client {
	var dialer net.Dialer
	return &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if host, port, err := net.SplitHostPort(addr); err == nil && strings.HasSuffix(host, ".localhost") {
				addr = net.JoinHostPort("127.0.0.1", port)
			}
			return dialer.DialContext(ctx, network, addr)
		},
		IdleConnTimeout: 10 * time.Second,
	}}
}

// managed is what an administrator of a workspace can do about a person, as
// buttons on the person's page.
type managed struct {
	Do    string // value of the button; with a colon before the id of a usergroup
	Label string
}

// managing gives the buttons for a person. The caller holds mu.
func (ws *workspace) managing(p *Person, t map[string]string) []managed {
	if p.Deactivated {
		return []managed{{Do: "activate", Label: t["do_activate"]}}
	}
	all := []managed{{Do: "deactivate", Label: t["do_deactivate"]}}
	if p.Guest {
		all = append(all, managed{Do: "member", Label: t["do_member"]})
	} else {
		all = append(all, managed{Do: "guest", Label: t["do_guest"]})
	}
	for _, g := range ws.Usergroups {
		do := "join"
		if slices.Contains(g.Members, p.ID) {
			do = "leave"
		}
		all = append(all, managed{Do: do + ":" + g.ID, Label: t["do_"+do] + " @" + g.Handle})
	}
	return all
}

// managePerson takes a click on one of these buttons. The apps of the workspace
// are told by an event before the page shows again.
func (s *Sim) managePerson(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	team, user := r.PathValue("team"), r.PathValue("user")
	s.mu.Lock()
	ws := s.workspaces[team]
	kind, fields := "", map[string]any(nil)
	if ws != nil && ws.people[user] != nil {
		kind, fields = s.change(ws, ws.people[user], r.PostFormValue("do"))
	}
	s.mu.Unlock()
	if kind == "" {
		http.NotFound(w, r)
		return
	}
	s.tellApps(r.Context(), team, kind, fields)
	http.Redirect(w, r, "/workspace/"+url.PathEscape(team)+"?as="+url.QueryEscape(user), http.StatusSeeOther)
}

// change does what a button says, and gives the event that Slack sends about it
// (https://docs.slack.dev/reference/events/user_change,
// https://docs.slack.dev/reference/events/subteam_members_changed); no type if
// there is nothing to do. The caller holds mu.
func (s *Sim) change(ws *workspace, p *Person, button string) (kind string, fields map[string]any) {
	do, group, _ := strings.Cut(button, ":")
	switch do {
	case "deactivate", "activate":
		p.Deactivated = do == "deactivate"
	case "guest", "member":
		p.Guest = do == "guest"
	case "join", "leave":
		i := slices.IndexFunc(ws.Usergroups, func(g Usergroup) bool { return g.ID == group })
		if i < 0 {
			return "", nil
		}
		g := &ws.Usergroups[i]
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(id string) bool { return id == p.ID })
		added, removed := []string{}, []string{p.ID}
		if do == "join" {
			g.Members = append(g.Members, p.ID)
			added, removed = removed, added
		}
		return "subteam_members_changed", map[string]any{"subteam_id": g.ID, "team_id": ws.ID,
			"added_users": added, "added_users_count": len(added), "removed_users": removed, "removed_users_count": len(removed)}
	default:
		return "", nil
	}
	c := &call{ws: ws, tok: &token{scopes: []string{"users:read", "users:read.email"}}}
	return "user_change", map[string]any{"user": s.user(c, p), "cache_ts": s.cfg.Now().Unix()}
}

// tellApps sends an event to every app of a workspace that listens. One that
// does not answer misses it.
func (s *Sim) tellApps(ctx context.Context, team, kind string, fields map[string]any) {
	s.mu.Lock()
	var events []Event
	for _, id := range s.appOrder {
		if a := s.apps[id]; a.EventsURL != "" && !a.EventsUnverified && a.installs[team] != nil && (a.Events == nil || slices.Contains(a.Events, kind)) {
			events = append(events, Event{App: id, Team: team, URL: a.EventsURL, Type: kind, Fields: fields})
		}
	}
	s.mu.Unlock()
	for _, e := range events {
		if status, _, err := s.SendEvent(ctx, e); err != nil || status != http.StatusOK {
			s.cfg.Log.Warn("an app did not take an event", "app", e.App, "type", kind, "status", status, "error", err)
		}
	}
}
