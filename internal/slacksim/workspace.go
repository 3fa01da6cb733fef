package slacksim

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
)

// Workspace is a Slack team: its people, channels and usergroups.
type Workspace struct {
	ID         string // T…
	Name       string // as people see it
	Domain     string // the NAME of NAME.slack.com
	People     []Person
	Channels   []Channel
	Usergroups []Usergroup
	// FreePlan answers usergroup methods with plan_upgrade_required.
	FreePlan bool
}

// Person is a member or guest of a workspace.
type Person struct {
	ID              string // U… or W…, unique in its workspace
	Name            string // full name
	Email           string
	EmailUnverified bool
	// Guest is a multi-channel guest; SingleChannelGuest is also a guest.
	Guest, SingleChannelGuest bool
	Deactivated               bool
	Admin, Owner              bool
	Locale                    string // such as fr-FR; empty means en-US
}

func (p Person) locale() string {
	if p.Locale == "" {
		return "en-US"
	}
	return p.Locale
}

// handle is the short name Slack derives at sign-up.
func (p Person) handle() string {
	if local, _, ok := strings.Cut(p.Email, "@"); ok {
		return strings.ToLower(local)
	}
	return strings.ToLower(strings.ReplaceAll(p.Name, " ", "."))
}

// Channel is a public or private channel.
type Channel struct {
	ID       string // C…
	Name     string // without #
	Private  bool
	Archived bool
	// ReadOnly refuses posts with restricted_action_read_only_channel.
	ReadOnly bool
	Members  []string // user ids; bots join through App.Channels
}

// Usergroup is a group that can be mentioned by its handle.
type Usergroup struct {
	ID       string // S…
	Handle   string // without @
	Name     string
	Members  []string // user ids
	Disabled bool
}

type workspace struct {
	Workspace
	people        map[string]*Person
	bots          map[string]*installation // by the bot's user id
	conversations map[string]*conversation // channels and direct messages
}

// kind of conversation.
type kind uint8

const (
	public kind = iota
	private
	direct
)

type conversation struct {
	id, name string
	kind     kind
	archived bool
	readOnly bool
	members  []string
	bot      string // of a direct message: the bot's user id
	person   string // of a direct message
	messages []*Message
	byTS     map[string]*Message
}

func (c *conversation) has(user string) bool { return slices.Contains(c.members, user) }

// AddWorkspace adds a workspace. It fails on an empty or repeated id.
func (s *Sim) AddWorkspace(w Workspace) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.ID == "" || s.workspaces[w.ID] != nil {
		return fmt.Errorf("workspace %q: id is empty or taken", w.ID)
	}
	ws := &workspace{
		Workspace:     w,
		people:        map[string]*Person{},
		bots:          map[string]*installation{},
		conversations: map[string]*conversation{},
	}
	ws.People = slices.Clone(w.People)
	ws.Channels = nil
	ws.Usergroups = nil
	for i := range ws.People {
		p := &ws.People[i]
		if p.ID == "" || ws.people[p.ID] != nil {
			return fmt.Errorf("workspace %s: person %q: id is empty or taken", w.ID, p.ID)
		}
		ws.people[p.ID] = p
	}
	for _, c := range w.Channels {
		if err := ws.setChannel(c); err != nil {
			return err
		}
	}
	for _, g := range w.Usergroups {
		ws.setUsergroup(g)
	}
	s.workspaces[w.ID] = ws
	s.order = append(s.order, w.ID)
	return nil
}

// UpdatePerson changes a person through change: deactivates, renames, makes a
// guest. The id stays. It fails when there is no such person.
func (s *Sim) UpdatePerson(team, user string, change func(*Person)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws := s.workspaces[team]
	if ws == nil || ws.people[user] == nil {
		return fmt.Errorf("person %s in %s: not found", user, team)
	}
	change(ws.people[user])
	ws.people[user].ID = user
	return nil
}

// SetChannel adds a channel, or replaces the properties and members of the one
// with that id; its messages and the bots in it stay.
func (s *Sim) SetChannel(team string, c Channel) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws := s.workspaces[team]
	if ws == nil {
		return fmt.Errorf("workspace %s: not found", team)
	}
	return ws.setChannel(c)
}

func (ws *workspace) setChannel(c Channel) error {
	if c.ID == "" || c.Name == "" {
		return fmt.Errorf("workspace %s: channel %q: needs an id and a name", ws.ID, c.ID)
	}
	conv := ws.conversations[c.ID]
	members := slices.Clone(c.Members)
	if conv == nil {
		conv = &conversation{id: c.ID, byTS: map[string]*Message{}}
		ws.conversations[c.ID] = conv
		ws.Channels = append(ws.Channels, c)
	} else {
		i := slices.IndexFunc(ws.Channels, func(old Channel) bool { return old.ID == c.ID })
		ws.Channels[i] = c
		for _, m := range conv.members {
			if ws.bots[m] != nil {
				members = append(members, m)
			}
		}
	}
	conv.name, conv.archived, conv.readOnly, conv.members = c.Name, c.Archived, c.ReadOnly, members
	conv.kind = public
	if c.Private {
		conv.kind = private
	}
	return nil
}

// SetUsergroup adds a usergroup or replaces the one with that id.
func (s *Sim) SetUsergroup(team string, g Usergroup) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws := s.workspaces[team]
	if ws == nil {
		return fmt.Errorf("workspace %s: not found", team)
	}
	ws.setUsergroup(g)
	return nil
}

func (ws *workspace) setUsergroup(g Usergroup) {
	g.Members = slices.Clone(g.Members)
	if i := slices.IndexFunc(ws.Usergroups, func(old Usergroup) bool { return old.ID == g.ID }); i >= 0 {
		ws.Usergroups[i] = g
		return
	}
	ws.Usergroups = append(ws.Usergroups, g)
}

// dm finds or opens the direct message of a bot and a person.
func (ws *workspace) dm(bot, person string) *conversation {
	id := makeID("D", ws.ID, bot, person)
	conv := ws.conversations[id]
	if conv == nil {
		conv = &conversation{id: id, kind: direct, bot: bot, person: person,
			members: []string{bot, person}, byTS: map[string]*Message{}}
		ws.conversations[id] = conv
	}
	return conv
}

// channelNamed finds a channel by its name, with or without #.
func (ws *workspace) channelNamed(name string) *conversation {
	name = strings.TrimPrefix(name, "#")
	for _, c := range ws.Channels {
		if c.Name == name {
			return ws.conversations[c.ID]
		}
	}
	return nil
}

// makeID derives a stable id in Slack's alphabet, so that a demo shows the
// same addresses each time.
func makeID(prefix string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return prefix + "0" + base32.StdEncoding.EncodeToString(sum[:])[:9]
}
