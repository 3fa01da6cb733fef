package slacksim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// Event is something Slack tells an app by its events URL.
type Event struct {
	App  string // id; its signing secret signs
	Team string
	URL  string // where the app listens
	// Type is such as user_change; Fields are what else the inner event has.
	Type   string
	Fields map[string]any
	ID     string // event_id, to repeat a delivery; empty makes a new one
	Retry  int    // 1 to 3 for X-Slack-Retry-Num; 0 for none
}

// SendEvent delivers an event once, signed as Slack signs, and gives the
// answer's status and body. Slack's own retries are the caller's to play.
func (s *Sim) SendEvent(ctx context.Context, e Event) (status int, body string, err error) {
	inner := map[string]any{"type": e.Type, "event_ts": strconv.FormatInt(s.cfg.Now().Unix(), 10) + ".000100"}
	for k, v := range e.Fields {
		inner[k] = v
	}
	if e.ID == "" {
		e.ID = "Ev" + rand.Text()[:12]
	}
	header := http.Header{}
	if e.Retry > 0 {
		header.Set("X-Slack-Retry-Num", strconv.Itoa(e.Retry))
		header.Set("X-Slack-Retry-Reason", "http_error")
	}
	return s.deliver(ctx, e.App, e.URL, header, map[string]any{
		"type": "event_callback", "token": "verification-token-is-deprecated",
		"team_id": e.Team, "api_app_id": e.App, "event": inner,
		"event_id": e.ID, "event_time": s.cfg.Now().Unix(), "context_team_id": e.Team,
		"is_ext_shared_channel": false,
		"authorizations":        []any{map[string]any{"enterprise_id": nil, "team_id": e.Team, "user_id": s.BotUser(e.App, e.Team), "is_bot": true, "is_enterprise_install": false}},
	})
}

// SendChallenge asks an events URL to prove itself, as Slack does when it is
// entered in the app's settings.
func (s *Sim) SendChallenge(ctx context.Context, appID, url, challenge string) (status int, body string, err error) {
	return s.deliver(ctx, appID, url, http.Header{}, map[string]any{
		"type": "url_verification", "token": "verification-token-is-deprecated", "challenge": challenge})
}

// UserObject is a person as user_change events carry them.
func (s *Sim) UserObject(team, user string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws := s.workspaces[team]
	if ws == nil || ws.people[user] == nil {
		return nil
	}
	c := &call{ws: ws, tok: &token{scopes: []string{"users:read", "users:read.email"}}}
	return s.user(c, ws.people[user])
}

// Sign gives the headers by which Slack signs a request to an app
// (https://docs.slack.dev/authentication/verifying-requests-from-slack).
func Sign(signingSecret string, unix int64, body []byte) http.Header {
	ts := strconv.FormatInt(unix, 10)
	mac := hmac.New(sha256.New, []byte(signingSecret))
	mac.Write([]byte("v0:" + ts + ":"))
	mac.Write(body)
	h := http.Header{}
	h.Set("X-Slack-Request-Timestamp", ts)
	h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return h
}

func (s *Sim) deliver(ctx context.Context, appID, url string, header http.Header, payload any) (int, string, error) {
	s.mu.Lock()
	a := s.apps[appID]
	secret := ""
	if a != nil {
		secret = a.SigningSecret
	}
	s.mu.Unlock()
	if a == nil {
		return 0, "", fmt.Errorf("app %s: not found", appID)
	}
	data, err := json.Marshal(payload)
	if err != nil {
		return 0, "", fmt.Errorf("marshal event: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(data))
	if err != nil {
		return 0, "", fmt.Errorf("make event request: %w", err)
	}
	req.Header = header
	for k, v := range Sign(secret, s.cfg.Now().Unix(), data) {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	res, err := s.cfg.Client.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("deliver event: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return res.StatusCode, "", fmt.Errorf("read answer to event: %w", err)
	}
	return res.StatusCode, string(body), nil
}
