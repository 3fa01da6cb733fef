package slacksim

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// WebhookURL is the address of an app's incoming webhook.
func (s *Sim) WebhookURL(appID, hookID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[appID]
	if a == nil {
		return ""
	}
	for _, h := range a.Webhooks {
		if h.ID == hookID {
			return s.cfg.BaseURL + "/services/" + url.PathEscape(a.Workspace) + "/" + url.PathEscape(h.ID) + "/" + url.PathEscape(h.Secret)
		}
	}
	return ""
}

// serveWebhook answers an incoming webhook: exactly "ok", or a word of text
// with the status Slack documents for it.
func (s *Sim) serveWebhook(w http.ResponseWriter, r *http.Request) {
	team := r.PathValue("team")
	log := &Call{Method: "webhook", Team: team, At: s.cfg.Now(), Args: url.Values{"id": {r.PathValue("hook")}}}
	s.mu.Lock()
	s.record(log)
	f := s.takeFault("webhook", team, false)
	s.mu.Unlock()
	s.misbehave(w, r, f, func(w http.ResponseWriter, r *http.Request) {
		status, word, wait := http.StatusBadRequest, "invalid_payload", time.Duration(0)
		if payload, err := webhookPayload(w, r); err == nil {
			s.mu.Lock()
			status, word, wait = s.hook(r, payload)
			s.mu.Unlock()
		}
		s.mu.Lock()
		log.Status = status
		if status != http.StatusOK {
			log.Error = word
		}
		s.mu.Unlock()
		if wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(seconds(wait)))
		}
		w.Header().Set("Content-Type", "text/html") // as Slack says it
		w.WriteHeader(status)
		_, _ = io.WriteString(w, word)
	})
}

// webhookPayload reads JSON from the body or from the form field payload.
func webhookPayload(w http.ResponseWriter, r *http.Request) (args, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	in := input{args: args{}}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost {
		return nil, errors.New("not a POST")
	}
	body := io.Reader(r.Body)
	if media == "application/x-www-form-urlencoded" || media == "multipart/form-data" {
		if err := in.readForm(r, media); err != nil {
			return nil, errors.New(err.code)
		}
		body = strings.NewReader(in.args["payload"])
		in.args = args{}
	}
	if err := in.readJSON(body); err != nil {
		return nil, errors.New(err.code)
	}
	return in.args, nil
}

// hook posts what a webhook brought. The caller holds mu.
func (s *Sim) hook(r *http.Request, payload args) (status int, word string, wait time.Duration) {
	a, h := s.findHook(r.PathValue("team"), r.PathValue("hook"))
	if a == nil {
		return http.StatusNotFound, "no_service", 0
	}
	if h.Secret != r.PathValue("secret") {
		return http.StatusForbidden, "invalid_token", 0
	}
	ws := s.workspaces[a.Workspace]
	bot := makeID("U", ws.ID, a.ID, "bot")
	conv := ws.conversations[h.Channel]
	if ws.people[h.Channel] != nil {
		conv = ws.dm(bot, h.Channel)
	}
	switch {
	case conv == nil:
		return http.StatusNotFound, "channel_not_found", 0
	case conv.archived:
		return http.StatusGone, "channel_is_archived", 0
	case conv.readOnly:
		return http.StatusForbidden, "action_prohibited", 0
	}
	// Channel, username and icon in the payload are ignored, as for any
	// webhook that belongs to an app.
	m := &Message{Team: ws.ID, Channel: conv.id, ChannelName: conv.name, Person: conv.person,
		App: a.ID, User: bot, BotID: h.ID, Webhook: true,
		PlainText: !payload.isOr("mrkdwn", true), UnfurlLinks: payload.is("unfurl_links"),
		UnfurlMedia: payload.isOr("unfurl_media", true)}
	c := &call{args: payload, ws: ws}
	if err := c.content(m, false); err != nil {
		return http.StatusBadRequest, err.code, 0
	}
	if err := c.thread(m, conv); err != nil {
		return http.StatusBadRequest, err.code, 0
	}
	if err := s.pace(a.ID, conv); err != nil {
		return http.StatusTooManyRequests, "rate_limited", err.retryAfter
	}
	s.add(conv, m)
	return http.StatusOK, "ok", 0
}

func (s *Sim) findHook(team, id string) (*app, Webhook) {
	for _, a := range s.apps {
		if a.Workspace != team {
			continue
		}
		for _, h := range a.Webhooks {
			if h.ID == id {
				return a, h
			}
		}
	}
	return nil, Webhook{}
}
