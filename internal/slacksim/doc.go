// Package slacksim is a Slack to run against: Sign in with Slack (OpenID
// Connect), the OAuth installation of a bot, the Web API methods a
// notification relay needs, incoming webhooks, signed events, and pages on
// which a person sees which message arrived for whom.
//
// One [Sim] holds several workspaces and apps. It is an http.Handler; nothing
// that talks to it knows it from slack.com but by its address. It behaves as
// Slack's documentation says, errors, scopes and rate limits included, and can
// be told to misbehave by [Sim.Fault]. Where Slack's behaviour is not
// documented the comment at the place says what was chosen.
//
// Addresses, below [Config.BaseURL]:
//
//	/.well-known/openid-configuration   discovery; the issuer is the base URL
//	/openid/connect/authorize           pick a person, or cancel
//	/openid/connect/keys                JWKS
//	/oauth/v2/authorize                 install a bot, or cancel
//	/api/{method}                       Web API
//	/services/{team}/{id}/{secret}      incoming webhooks
//	/apps?new_app=1&manifest_json=…     create an app from its manifest; /apps lists them
//	/  /workspace/{team}                pages to look at, and to deactivate people on
//
// It keeps everything in memory and bounded: the oldest messages of a
// conversation and the oldest calls make room.
package slacksim
