package slacksim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

func page(t *testing.T, srv *slacksim.Server, path, lang string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest("GET", srv.URL()+path, nil)
	must(t, err)
	req.Header.Set("Accept-Language", lang)
	res, err := browser(t).Do(req)
	must(t, err)
	return res, body(t, res)
}

// converse posts what the pages should be able to show.
func converse(t *testing.T, srv *slacksim.Server) {
	t.Helper()
	api := client(srv, botTok)
	post := func(to string, o ...slack.MsgOption) string {
		_, ts, err := api.PostMessage(to, o...)
		must(t, err)
		return ts
	}
	text := func(s string) slack.MsgOption { return slack.MsgOptionText(s, false) }
	post(paul, text("<script>alert(1)</script> &lt;b&gt; <javascript:alert(1)|click> <https://x.test/?a=1&amp;b=2|link>"))
	post(marie, text("*Paul Valéry* vous a confié la tâche <https://agrafmania.test/taches/7|Relire la couverture> (dossier _12_)."))
	post(marie, text("fallback"), slack.MsgOptionBlocks(
		slack.NewHeaderBlock(slack.NewTextBlockObject("plain_text", "Facture 1042 validée", false, false)),
		slack.NewSectionBlock(slack.NewTextBlockObject("mrkdwn", "Client : *Éditions du Port*\n> à régler avant le 30\n`réf. F-1042`", false, false),
			[]*slack.TextBlockObject{
				slack.NewTextBlockObject("mrkdwn", "*Montant*\n1 240,00 €", false, false),
				slack.NewTextBlockObject("mrkdwn", "*Échéance*\n30 novembre", false, false)}, nil),
		slack.NewDividerBlock(),
		slack.NewContextBlock("", slack.NewTextBlockObject("mrkdwn", "Demandé par <@U0PAUL> dans <#C0VENTES>", false, false)),
		slack.NewActionBlock("", slack.NewButtonBlockElement("open", "v", slack.NewTextBlockObject("plain_text", "Ouvrir la facture", false, false)).WithURL("https://agrafmania.test/f/1042").WithStyle(slack.StylePrimary)),
	))
	ts := post("#ventes", text("Nouvelle commande de *Brasserie du Nord* <!channel>"))
	post("#ventes", text("Commande expédiée :white_check_mark:"), slack.MsgOptionTS(ts))
	post(guest, text("Bonjour Gaston, votre accès au dossier 12 est ouvert."))
}

func TestPages(t *testing.T) {
	srv := start(t, slacksim.Config{NoChannelLimit: true})
	if _, got := page(t, srv, "/workspace/"+port, "en"); !strings.Contains(got, "No message yet.") {
		t.Errorf("empty workspace: %s", got)
	}
	converse(t, srv)
	for _, c := range []struct {
		path, lang string
		want, not  []string
	}{
		{"/", "fr-FR,fr;q=0.9", []string{"Espaces de travail", "Agrafmania", "Éditions du Port", `href="/workspace/T0AGRAF001"`}, nil},
		{"/workspace/" + agraf + "?as=" + marie, "en", []string{`data-person="U0MARIE"`, "<strong>Éditions du Port</strong>", "Facture 1042", `<span class="mention">@Paul Valéry</span>`, `<span class="mention">#ventes</span>`,
			`href="https://agrafmania.test/f/1042"`, "<q>à régler avant le 30</q>", "APP"}, []string{"fallback", "Gaston, votre", "alert(1)"}},
		{"/workspace/" + agraf + "?as=" + paul, "en", []string{"&lt;script&gt;alert(1)&lt;/script&gt; &lt;b&gt; &lt;javascript:alert(1)&gt;", `<a href="https://x.test/?a=1&amp;b=2" rel="noopener noreferrer">link</a>`}, []string{"<script", `class="lock"`}},
		{"/workspace/" + agraf + "?as=" + marie + "&c=" + ventes, "fr", []string{"Brasserie du Nord", "dans un fil", `<span class="mention">@channel</span>`, `class="lock"`}, nil},
		{"/workspace/" + agraf + "?view=all", "en", []string{"Gaston, votre", "→ #ventes", "Facture 1042", `data-person="U0PAUL"`}, nil},
		{"/workspace/" + agraf + "?as=" + paul + "&c=" + secretC, "en", nil, []string{`class="lock"`}},
	} {
		res, got := page(t, srv, c.path, c.lang)
		if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d, CSP %q", c.path, res.StatusCode, res.Header.Get("Content-Security-Policy"))
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: lacks %q in\n%s", c.path, want, got)
			}
		}
		for _, not := range append(c.not, "s3cret", botTok, "hook-secret", "style=\"") {
			if strings.Contains(got, not) {
				t.Errorf("%s: has %q", c.path, not)
			}
		}
	}
	if res, _ := page(t, srv, "/workspace/T404", "en"); res.StatusCode != 404 {
		t.Errorf("unknown workspace: %d", res.StatusCode)
	}
	if res, _ := page(t, srv, "/workspace/"+agraf+"?refresh=0", "en"); res.Header.Get("Refresh") != "" {
		t.Error("refresh=0 refreshes")
	}
	if res, got := page(t, srv, "/avatar/"+agraf+"/"+marie, ""); res.StatusCode != 200 || !strings.Contains(got, ">MC<") {
		t.Errorf("avatar: %d %s", res.StatusCode, got)
	}
	if res, got := page(t, srv, "/assets/slack.css", ""); res.StatusCode != 200 || !strings.Contains(res.Header.Get("Content-Type"), "css") || got == "" {
		t.Errorf("style: %d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
}
