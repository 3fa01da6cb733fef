package main

import (
	"strings"

	"github.com/cocoom/cocoom-gateway/internal/cocoomsim"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// customer is one of the demo's customers, as the three parts know it. One without
// a ClientID has no Slack app yet: a person sets it up by a link.
type customer struct {
	Host, Name, Team       string
	AppID, ClientID        string
	ClientSecret, BotToken string
	SigningSecret          string
	HookToken              string
	AlertToken             string // of the address that stands in for an incoming webhook
	Reserved               string // a page for the usergroup cocoom-admins alone
	Distributed            bool   // then it is we who refuse people of other workspaces, else Slack itself
	people                 []slacksim.Person
	channels               []slacksim.Channel
	usergroups             []slacksim.Usergroup
}

var customers = []customer{
	{
		Host: "agrafmania.localhost", Name: "Agrafmania", Team: "T0AGRAF001", AppID: "A0AGRAF001",
		ClientID: "1234567890.1111111111", ClientSecret: "demo-client-secret-agrafmania", BotToken: "xoxb-demo-agrafmania",
		SigningSecret: "demo-signing-secret-agrafmania", HookToken: "ck_agrafmania_demo-only-3f7c1b", AlertToken: "demo-only-alerts-agrafmania", Reserved: "/dossiers/7",
		people: []slacksim.Person{
			{ID: "U0MARIE", Name: "Marie Dupont", Email: "marie@agrafmania.fr", Admin: true, Locale: "fr-FR"},
			{ID: "U0PAUL", Name: "Paul Martin", Email: "paul@agrafmania.fr", Locale: "fr-FR"},
			{ID: "U0INES", Name: "Inès Benali", Email: "ines@agrafmania.fr", Locale: "fr-FR"},
			{ID: "U0LOUIS", Name: "Louis Petit", Email: "louis@stagiaires.example", Guest: true, Locale: "fr-FR"},
			{ID: "U0EMMA", Name: "Emma Clarke", Email: "emma@agrafmania.fr", Locale: "en-GB"},
		},
		channels: []slacksim.Channel{
			{ID: "C0AGENERAL", Name: "general", Members: []string{"U0MARIE", "U0PAUL", "U0INES", "U0EMMA"}},
			{ID: "C0AVENTES", Name: "ventes", Members: []string{"U0MARIE", "U0PAUL"}},
		},
		usergroups: []slacksim.Usergroup{{ID: "S0AADMINS", Handle: "cocoom-admins", Name: "Cocoom admins", Members: []string{"U0MARIE"}}},
	},
	{
		Host: "editionsduport.localhost", Name: "Éditions du Port", Team: "T0EDPORT01", AppID: "A0EDPORT01",
		ClientID: "1234567890.2222222222", ClientSecret: "demo-client-secret-editionsduport", BotToken: "xoxb-demo-editionsduport",
		SigningSecret: "demo-signing-secret-editionsduport", HookToken: "ck_editionsduport_demo-only-9a2e4d", AlertToken: "demo-only-alerts-editionsduport", Reserved: "/dossiers/5", Distributed: true,
		people: []slacksim.Person{
			{ID: "U0ANNE", Name: "Anne Le Goff", Email: "anne@editionsduport.fr", Owner: true, Locale: "fr-FR"},
			{ID: "U0YANN", Name: "Yann Morvan", Email: "yann@editionsduport.fr", Locale: "fr-FR"},
		},
		channels:   []slacksim.Channel{{ID: "C0EGENERAL", Name: "general", Members: []string{"U0ANNE", "U0YANN"}}},
		usergroups: []slacksim.Usergroup{{ID: "S0EADMINS", Handle: "cocoom-admins", Name: "Cocoom admins", Members: []string{"U0ANNE"}}},
	},
	{
		Host: "imprimerievasseur.localhost", Name: "Imprimerie Vasseur", Team: "T0VASSEUR1",
		HookToken: "ck_imprimerievasseur_demo-only-5b8d20", AlertToken: "demo-only-alerts-imprimerievasseur", Reserved: "/dossiers/7",
		people: []slacksim.Person{
			{ID: "U0JEANNE", Name: "Jeanne Vasseur", Email: "jeanne@imprimerievasseur.fr", Owner: true, Locale: "fr-FR"},
			{ID: "U0KARIM", Name: "Karim Haddad", Email: "karim@imprimerievasseur.fr", Locale: "fr-FR"},
		},
		channels:   []slacksim.Channel{{ID: "C0VGENERAL", Name: "general", Members: []string{"U0JEANNE", "U0KARIM"}}},
		usergroups: []slacksim.Usergroup{{ID: "S0VADMINS", Handle: "cocoom-admins", Name: "Cocoom admins", Members: []string{"U0JEANNE"}}},
	},
}

// managed reports whether the customer's Slack app is for an admin of their
// workspace to set up.
func (c customer) managed() bool { return c.ClientID == "" }

func (c customer) workspace() slacksim.Workspace {
	return slacksim.Workspace{ID: c.Team, Name: c.Name, Domain: strings.TrimSuffix(c.Host, ".localhost"), People: c.people, Channels: c.channels, Usergroups: c.usergroups}
}

func (c customer) app(origin string) slacksim.App {
	return slacksim.App{
		ID: c.AppID, Name: "Cocoom", ClientID: c.ClientID, ClientSecret: c.ClientSecret, SigningSecret: c.SigningSecret, Workspace: c.Team, Distributed: c.Distributed,
		RedirectURLs: []string{origin + "/.gateway/callback"}, EventsURL: origin + "/.gateway/slack/events",
		BotToken: c.BotToken, BotName: "Cocoom", MessagesTab: true,
		BotScopes: []string{"chat:write", "chat:write.public", "im:write", "users:read", "users:read.email", "channels:read", "groups:read", "usergroups:read",
			"channels:history", "groups:history", "im:history", "channels:join", "chat:write.customize"}, // the optional ones, too
	}
}

func (c customer) tenant(origin string) cocoomsim.Tenant {
	t := cocoomsim.Tenant{
		Host: c.Host, Name: c.Name, HookURL: origin + "/.gateway/v1/notifications", HookToken: c.HookToken, NoteChannel: "#general",
		JWKSURL: origin + "/.gateway/jwks.json", Issuer: origin,
	}
	for _, p := range c.people {
		t.People = append(t.People, cocoomsim.Person{Email: p.Email, Name: p.Name})
	}
	return t
}
