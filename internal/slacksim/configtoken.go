package slacksim

import (
	"crypto/rand"
	"net/url"
	"strings"
	"time"
)

// configTokenLife is how long an app configuration token lasts
// (https://docs.slack.dev/app-manifests/configuring-apps-with-app-manifests).
const configTokenLife = 12 * time.Hour

// ConfigToken makes an app configuration token of a person, as they do at
// api.slack.com/apps: it creates apps in the workspace, and nothing else.
func (s *Sim) ConfigToken(team, user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &token{value: "xoxe.xoxp-1-" + rand.Text(), team: team, user: user, expires: s.cfg.Now().Add(configTokenLife)}
	s.tokens[t.value] = t
	return t.value
}

// manifest reads the manifest that a call carries.
func (c *call) manifest() (appManifest, *apiError) {
	if err := c.args.required("manifest"); err != nil {
		return appManifest{}, err
	}
	m, mistakes := readManifest(c.args["manifest"])
	if len(mistakes) > 0 {
		return m, &apiError{code: "invalid_manifest", extra: reply{"errors": mistakes}}
	}
	return m, nil
}

// manifestValidate is apps.manifest.validate
// (https://docs.slack.dev/reference/methods/apps.manifest.validate).
func (s *Sim) manifestValidate(c *call) (reply, *apiError) {
	_, err := c.manifest()
	return reply{}, err
}

// manifestCreate is apps.manifest.create. Its credentials are given once
// (https://docs.slack.dev/reference/methods/apps.manifest.create).
func (s *Sim) manifestCreate(c *call) (reply, *apiError) {
	m, bad := c.manifest()
	if bad != nil {
		return nil, bad
	}
	a, err := s.fromManifest(m, c.tok.team)
	if err != nil {
		return nil, fail("failed_creating_app")
	}
	return reply{
		"app_id": a.ID,
		"credentials": reply{"client_id": a.ClientID, "client_secret": a.ClientSecret,
			"verification_token": "verification-token-is-deprecated", "signing_secret": a.SigningSecret},
		"oauth_authorize_url": s.cfg.BaseURL + "/oauth/v2/authorize?" + url.Values{"client_id": {a.ClientID}, "scope": {strings.Join(m.OAuth.Scopes.Bot, ",")}}.Encode(),
	}, nil
}
