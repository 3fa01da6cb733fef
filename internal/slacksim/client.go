package slacksim

import (
	"cmp"
	"net/http"
	"slices"
)

// clientPage looks like Slack's client, seen by one person; or it is the
// overview of all messages in the workspace.
type clientPage struct {
	frame
	Team     face
	Me       face
	Manage   []managed // what can be done about Me
	People   []face
	Channels []row
	Directs  []row
	Overview bool
	Total    int
	Tally    []tally
	Open     row // the conversation shown
	HasOpen  bool
	Members  int
	Days     []day
}

// row is a conversation in the side bar.
type row struct {
	ID      string
	Name    string
	Private bool
	Bot     face // of a direct message
	Direct  bool
	Count   int
	Active  bool
	latest  string
}

// tally says how many messages somebody or a channel got.
type tally struct {
	To    face
	Name  string // of a channel
	Link  string
	Count int
}

// day groups messages under a date line.
type day struct {
	Date     string
	Messages []shownMessage
}

func (s *Sim) showWorkspace(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	page := clientPage{frame: newFrame(r), Overview: q.Get("view") == "all"}
	s.mu.Lock()
	ws := s.workspaces[r.PathValue("team")]
	if ws != nil {
		s.fillClient(&page, ws, q.Get("as"), q.Get("c"))
	}
	s.mu.Unlock()
	if ws == nil {
		http.NotFound(w, r)
		return
	}
	// Without script a page can only follow by loading again. A test that
	// clicks about says refresh=0.
	if q.Get("refresh") != "0" {
		w.Header().Set("Refresh", "3")
	}
	s.show(w, http.StatusOK, "workspace.html", page)
}

// fillClient gathers what a person sees. The caller holds mu.
func (s *Sim) fillClient(page *clientPage, ws *workspace, as, open string) {
	page.Team = s.teamFace(ws)
	page.Title = ws.Name
	for i := range ws.People {
		page.People = append(page.People, ws.face(&ws.People[i]))
	}
	if ws.people[as] == nil && len(ws.People) > 0 {
		as = ws.People[0].ID
	}
	if p := ws.people[as]; p != nil {
		page.Me = ws.face(p)
		page.Manage = ws.managing(p, page.T)
	}
	var shown *conversation
	for _, id := range sortedKeys(ws.conversations) {
		conv := ws.conversations[id]
		page.Total += len(conv.messages)
		if conv.kind != public && !conv.has(as) {
			continue
		}
		if id == open {
			shown = conv
		}
		entry := s.row(ws, conv)
		if conv.kind == direct {
			page.Directs = append(page.Directs, entry)
		} else {
			page.Channels = append(page.Channels, entry)
		}
	}
	slices.SortFunc(page.Channels, func(a, b row) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(page.Directs, func(a, b row) int { return cmp.Compare(b.latest, a.latest) })
	if page.Overview {
		page.Days = s.overview(page, ws)
		return
	}
	if shown == nil && len(page.Directs) > 0 {
		shown = ws.conversations[page.Directs[0].ID]
	}
	if shown == nil && len(page.Channels) > 0 {
		shown = ws.conversations[page.Channels[0].ID]
	}
	if shown != nil {
		page.HasOpen, page.Members = true, len(shown.members)
		page.Open = s.row(ws, shown)
		for _, list := range [][]row{page.Channels, page.Directs} {
			for i := range list {
				list[i].Active = list[i].ID == shown.id
			}
		}
		page.Days = s.days(ws, inThreads(shown.messages), false)
	}
}

func (s *Sim) row(ws *workspace, conv *conversation) row {
	out := row{ID: conv.id, Name: conv.name, Private: conv.kind == private, Count: len(conv.messages), Direct: conv.kind == direct}
	if conv.kind == direct {
		out.Name = botName(ws, conv.bot)
		out.Bot = newFace(ws.ID, conv.bot, out.Name)
	}
	if n := len(conv.messages); n > 0 {
		out.latest = conv.messages[n-1].TS
	}
	return out
}

func botName(ws *workspace, id string) string {
	if inst := ws.bots[id]; inst != nil {
		return inst.app.BotName
	}
	return "Slackbot"
}

// inThreads puts replies behind their parents.
func inThreads(all []*Message) []*Message {
	out := slices.Clone(all)
	top := func(m *Message) string { return cmp.Or(m.ThreadTS, m.TS) }
	slices.SortStableFunc(out, func(a, b *Message) int {
		return cmp.Or(cmp.Compare(top(a), top(b)), cmp.Compare(a.TS, b.TS))
	})
	return out
}

// days makes pages of messages, at most the last 200 of them.
func (s *Sim) days(ws *workspace, list []*Message, withRecipient bool) []day {
	const most = 200
	if len(list) > most && withRecipient {
		list = list[:most]
	} else if len(list) > most {
		list = list[len(list)-most:]
	}
	var out []day
	for _, m := range list {
		date := m.PostedAt.Local().Format("2006-01-02")
		if len(out) == 0 || out[len(out)-1].Date != date {
			out = append(out, day{Date: date})
		}
		last := &out[len(out)-1]
		last.Messages = append(last.Messages, s.shown(ws, m, withRecipient))
	}
	return out
}

// overview is who got what, newest first, with a tally on top.
func (s *Sim) overview(page *clientPage, ws *workspace) []day {
	var all []*Message
	for _, id := range sortedKeys(ws.conversations) {
		conv := ws.conversations[id]
		if len(conv.messages) == 0 {
			continue
		}
		all = append(all, conv.messages...)
		t := tally{Name: conv.name, Count: len(conv.messages), Link: "?as=" + page.Me.ID + "&c=" + conv.id}
		if conv.kind == direct {
			t.To = ws.face(ws.people[conv.person])
			t.Link = "?as=" + conv.person + "&c=" + conv.id
		}
		page.Tally = append(page.Tally, t)
	}
	slices.SortFunc(page.Tally, func(a, b tally) int { return cmp.Compare(b.Count, a.Count) })
	slices.SortFunc(all, func(a, b *Message) int { return cmp.Compare(b.TS, a.TS) })
	return s.days(ws, all, true)
}
