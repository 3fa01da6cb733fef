package doctor

import (
	"strings"

	"github.com/cocoom/cocoom-gateway/configs"
)

// configuration says whether the file is what is in force.
func (d *Doctor) configuration(n *notes) {
	if d.cfg.Pending == nil {
		return
	}
	mistakes, restart := d.cfg.Pending()
	for line := range strings.Lines(mistakes) {
		n.wrong("configuration", "mend the file; until then the configuration before it stays in force", "%s", line)
	}
	if len(restart) > 0 {
		n.warn("configuration", "restart the gateway when it suits", "new values of these keys wait for a restart: %s", strings.Join(restart, ", "))
	}
	if mistakes == "" && len(restart) == 0 {
		n.ok("configuration", "the file is what is in force")
	}
}

// proxies looks for a front proxy that nobody has told the gateway of. Where
// requests arrive, the probe finds out as well, and for certain.
func (d *Doctor) proxies(n *notes) {
	c := d.cfg.Config
	for _, p := range c.TrustedProxies {
		if p.Bits() == 0 {
			n.wrong("proxies", "name the proxies' own addresses in trusted_proxies", "trusted_proxies has %s: everybody may say to come from anywhere", p)
			return
		}
	}
	switch {
	case c.PublicScheme == "https" && !c.TLS.On() && len(c.TrustedProxies) == 0:
		n.warn("proxies", "add the address of the proxy that ends TLS to trusted_proxies", "a proxy ends TLS, but none is trusted: everybody seems to come from it")
	case len(c.TrustedProxies) > 0:
		n.ok("proxies", "%s trusted", count(len(c.TrustedProxies), "network of proxies is", "networks of proxies are"))
	}
}

// alarms repeats what the running gateway has to complain about.
func (d *Doctor) alarms(routes []*configs.Route, n *notes) {
	if d.cfg.Alarms == nil {
		n.unknown("alarms", "no gateway runs here that could have any")
		return
	}
	of := map[string]bool{"": true}
	for _, rt := range routes {
		of[rt.Host] = true
	}
	found := 0
	for _, a := range d.cfg.Alarms() {
		if !of[a.Route] {
			continue
		}
		found++
		one := notes{route: a.Route}
		since := span(d.cfg.Now().Sub(a.Since))
		if a.Reason == "not_installed" { // as it has to be, until the workspace's admin is through
			one.warn("alarms", "print the link for the workspace's admin: cocoom-gateway setup "+a.Route+"; what waits is then sent",
				"notifications wait for the Slack app to be set up, for %s", since)
		} else {
			one.wrong("alarms", "mend its cause; the alarm then ends by itself", "%s: %s, for %s", a.Kind, a.Reason, since)
		}
		n.list = append(n.list, one.list...)
	}
	if found == 0 {
		n.ok("alarms", "there are none")
	}
}
