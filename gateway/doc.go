// Package gateway is the public front: it finds the route of a request by its
// host, knows who is asking by the sealed session cookie, sends people to
// Slack to sign in, lets policy decide, and hands what is allowed to proxy.
//
// # The way of a request
//
//	Host ──► route, or 421
//	path ──► one canonical spelling, or 400            (policy.NormalizePath)
//	service token? ──► one of this route, or 401       (takeToken)
//	reserved prefix? ──► the gateway's own pages       (mount)
//	cookie ──► session, or nobody                      (sessions.open)
//	policy.Decide ──► deny:  403 that says why         (Route.decide)
//	                  else, in maintenance: 503
//	                  login: 302 to Slack for a page, a form is kept (draft),
//	                         401 problem for the rest
//	                  allow: proxy.Serve
//
// The steps before the reserved prefix stand in Gateway.ServeHTTP, those after
// it in Gateway.front. No step does a database or a network call, but for kept
// forms: sessions live in their cookie, revocations in memory.
//
// What lasts (WebSockets, event streams, downloads) is found by its session in
// live, and ends with it.
//
// # Beside it
//
//	login, pending, provider      sign-in at Slack, in many tabs, with an end
//	people, directory, recheck    what Slack says of people, asked for by turns
//	events                        and told by Slack itself (POST /slack/events)
//	revocations, sightings        which sessions were ended, and which there are
//	account, signout, leaving     pages of one's own; sign-out, here and in the app
//	known, roster, alarms         what operators ask and decide
//	draft…                        forms that outlive their session
//	servicetoken, breakglass      programs without a person; people without Slack
//	private, forwardauth          other proxies ask, on a listener of their own
//	managed, setup…               Slack apps that workspaces' admins set up by a link
//	explain                       says what would happen, by the same decision
package gateway
