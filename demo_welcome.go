package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"text/template"
)

// invite makes the links by which the customers without a Slack app get one. What
// was set up in a run before is forgotten, as the simulated Slack has.
func (d *demo) invite(ctx context.Context) error {
	d.setup = map[string]string{}
	for _, c := range customers {
		if !c.managed() {
			continue
		}
		status, err := d.gateway.gateway.SetupStatus(ctx, c.Host)
		if err == nil && status.Installed {
			err = d.gateway.gateway.ResetSetup(ctx, c.Host, "demo")
		}
		if err != nil {
			return fmt.Errorf("begin the set-up of %s: %w", c.Host, err)
		}
		link, err := d.gateway.gateway.MakeSetup(ctx, c.Host, "demo")
		if err != nil {
			return fmt.Errorf("make a setup link: %w", err)
		}
		d.setup[c.Host] = link.URL.Reveal()
	}
	return nil
}

// welcome says what to try.
func (d *demo) welcome(w io.Writer) {
	at := func(c customer) string {
		return fmt.Sprintf("http://%s:%d", c.Host, portOf(d.gateway.public.ln.Addr()))
	}
	agraf, port, slack, config := at(customers[0]), at(customers[1]), d.slack.URL(), filepath.Join(d.State, "demo.yaml")
	_ = welcomeText.Execute(w, map[string]string{ // a terminal that is gone misses nothing
		"Agraf": agraf, "Port": port, "Alerts": agraf + "/.gateway/services/alerts/" + customers[0].AlertToken,
		"General": slack + "/workspace/T0AGRAF001?c=C0AGENERAL", "Reserved": agraf + customers[0].Reserved, "Slack": slack,
		"Paul": slack + "/workspace/T0AGRAF001?as=U0PAUL", "Self": self(), "Config": config, "Log": d.logFile.Name(), "Admin": d.gateway.admin.addr(),
		"New": at(customers[2]), "Host": customers[2].Host, "Setup": d.setup[customers[2].Host],
	})
}

var welcomeText = template.Must(template.New("welcome").Parse(`
cocoom-gateway demo: three customers of one old web app, each with a Slack workspace of its own.

  Sign in        {{.Agraf}}/dossiers/12?onglet=notes
                 You are sent to (a simulated) Slack. Pick Marie Dupont: you land on exactly that page.
                 Open it in several tabs of a new private window, and sign in in any of them.
  Notify         In the tab "Tâches", assign a task to Paul Martin. The old app calls the webhook,
                 and the message stands in his Slack: {{.Paul}}
                 "Clore" changes that message in place. Emma Clarke, whose Slack is English, reads hers in English.
                 In the tab "Notes", add two notes. The app adds a header to its pages, X-Notify, and #general
                 has a thread about the dossier: {{.General}}
                 As Alertmanager or Grafana would, with the address in place of a Slack webhook's:
                 curl -d '{"text":"Disk almost full"}' {{.Alerts}}
  Be refused     {{.Port}}/  with somebody of another workspace (at the bottom), then as Anne Le Goff.
                 {{.Agraf}}/  as Louis Petit, who is a guest.
                 {{.Reserved}}  as Paul Martin: it is for the usergroup cocoom-admins.
  Change people  While Paul is signed in, deactivate him in Slack, at the address above: he is out at once.
                 Or add him to @cocoom-admins there, and let him open that page again.
  Sign out       "Se déconnecter" is the old app's own link, and signs out here too. At {{.Agraf}}/.gateway/
                 one signs out everywhere. Who comes next sees a session of their own under "Mon profil".
  Lose nothing   Stop, and start with --idle 30s. Write a note, wait for 30 seconds, send it.
  Set one up     Imprimerie Vasseur has no Slack app yet, as {{.New}}/ says.
                 Be the admin of their workspace, with the link that an operator makes by "setup":
                 {{.Setup}}
                 At Slack choose Imprimerie Vasseur and "Create", bring the three values back, and install as Jeanne Vasseur.

As an operator, at http://{{.Admin}}/ui/ see what waits, failed and why, who is signed in, and what needs somebody: assign
a task to somebody who is not in Slack any more, see why nothing came, send it again; end a session.
Or in another terminal here:

  {{.Self}} doctor -c {{.Config}}
  {{.Self}} setup -c {{.Config}} {{.Host}} --status
  {{.Self}} sessions list -c {{.Config}}
  {{.Self}} sessions revoke -c {{.Config}} --person marie@agrafmania.fr
  {{.Self}} notifications list -c {{.Config}}
  {{.Self}} notifications show -c {{.Config}} ntf_…   (an id of that list, or from the app's page)
  {{.Self}} explain -c {{.Config}} {{.Reserved}} --as paul@agrafmania.fr
  {{.Self}} break-glass -c {{.Config}} agrafmania.localhost --as marie@agrafmania.fr
  curl http://{{.Admin}}/metrics

Change that file, say with "maintenance: true" on a route: it is in force in seconds. "reload" tells of mistakes.

Slack, all messages: {{.Slack}}/   ready? http://{{.Admin}}/readyz   log: {{.Log}}
Ctrl-C stops everything.
`))
