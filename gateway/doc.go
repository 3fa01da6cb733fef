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
// # Where things are
//
//	a request           gateway route exchange client verdict settings config serves
//	is answered         refusal texts pages loggedpath · maintenance · limits crowding · tracing metrics
//	who is asking       session cookie seal device · person subject plausible email
//	from which page     origin lax
//	sign-in at Slack    login pending rounds returning provider distrust · slackerror class
//	its end             signout leaving account ago · live socket stop: streams end, too
//	ended sessions      revocations revocation_list revoke · sightings: which there are
//	what Slack says     people directory recheck listing report usergroups usertoken trouble scopes
//	                    and says itself: events events_people signature (POST /slack/events)
//	forms kept          draft draft_config draft_fields draft_page draft_send draft_store
//	without a person    servicetoken
//	without Slack       breakglass
//	other proxies ask   private forwardauth
//	set up by a link    managed setup setup_link setup_page setup_secrets setup_install setup_try setup_forget
//	                    setup_texts setup_icon
//	operators ask       overview known roster alarms audit audit_trail · subject_export subject_erase
//	and try             explain, by the same decision · probe witness
package gateway
