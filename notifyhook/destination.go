package notifyhook

import "slices"

// Destinations are the recipients that the settings name themselves, each once,
// in their one spelling: "#channel", a Slack id or an e-mail address. Those of
// hooks come first, then the fallbacks.
func (s Settings) Destinations() []string {
	var list []string
	add := func(to string) {
		if _, same := classify(to); same != "" && !slices.Contains(list, same) {
			list = append(list, same)
		}
	}
	for _, h := range s.Hooks {
		add(h.To)
	}
	for _, to := range s.Fallback {
		add(to)
	}
	return list
}
