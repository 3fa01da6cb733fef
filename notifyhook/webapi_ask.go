package notifyhook

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

const (
	saidSize  = 2048
	saidFor   = 5 * time.Minute
	maxSaid   = 16 << 10       // bytes of an answer that is remembered
	selfFor   = 24 * time.Hour // how long auth.test may be answered for a Slack that is down
	downPause = 5              // seconds until a caller asks again
)

// hear makes one call of Slack's and returns its answer byte for byte.
func (r *Relay) hear(ctx context.Context, a *app, method string, do func(context.Context) error) (json.RawMessage, outcome) {
	var said bytes.Buffer
	err := a.call(slackapi.WithAnswer(ctx, &said), method, do)
	return said.Bytes(), lookupOutcome(method, err)
}

// passOn is the answer to our caller: Slack's own, be it yes or no, or what
// Slack would say if it were limited, or down, for everybody.
func passOn(said json.RawMessage, o outcome) slackAnswer {
	var spoken struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	understood := json.Unmarshal(said, &spoken) == nil
	switch {
	case o.class == throttled || o.class == held:
		return limited(int((o.wait + time.Second - 1) / time.Second))
	case understood && spoken.OK == (o.class == done) && (spoken.OK || spoken.Error != ""):
		return answered(said)
	}
	return unreachable(downPause)
}

// remember keeps an answer of Slack's for a while.
func (r *Relay) remember(key string, said json.RawMessage, until time.Duration) {
	if len(said) <= maxSaid {
		r.said.Add(key, remembered{value: string(said), until: r.now().Add(until)})
	}
}

// lookupByEmail is users.lookupByEmail: Slack's answer, remembered for minutes.
func (e endpoint) lookupByEmail(ctx context.Context, args arguments) slackAnswer {
	if args["email"] == "" {
		return refused("invalid_arguments", "missing required field: email")
	}
	kind, address := classify(args["email"])
	if kind != emailRecipient {
		return refused("users_not_found")
	}
	r, a := e.relay, e.route.app
	key := a.userKey(address)
	if one, ok := r.said.Get(key); ok && r.now().Before(one.until) {
		return answered(json.RawMessage(one.value))
	}
	if one, ok := r.recall(key); ok && one.gone == "users_not_found" {
		return refused("users_not_found")
	}
	var user *slack.User
	said, o := r.hear(ctx, a, lookupByEmail, func(ctx context.Context) (err error) {
		user, err = a.api.GetUserByEmailContext(ctx, address)
		return err
	})
	answer := passOn(said, o)
	switch {
	case o.class == done && user.ID != "":
		r.remember(key, said, saidFor)
		if !user.Deleted { // deliveries to the address need not ask again
			r.cache.Add(key, remembered{value: user.ID, until: r.now().Add(knownFor)})
		}
	case o.reason == "users_not_found":
		r.cache.Add(key, remembered{gone: o.reason, until: r.now().Add(goneFor)})
	}
	return answer
}

// openConversation is conversations.open. With one person it finds what a
// delivery to them would: their conversation, or without the scope im:write
// their id, to which Slack posts as well.
func (e endpoint) openConversation(ctx context.Context, args arguments) slackAnswer {
	users, channel := args.list("users"), args["channel"]
	switch {
	case args.isTrue("prevent_creation"):
		return refused("invalid_arguments", "prevent_creation is not supported")
	case channel == "" && len(users) == 0:
		return refused("users_list_not_supplied")
	case channel == "" && len(users) == 1 && !args.isTrue("return_im"):
		return e.openWith(ctx, users[0])
	}
	a := e.route.app
	return passOn(e.relay.hear(ctx, a, openConversation, func(ctx context.Context) error {
		_, _, _, err := a.api.OpenConversationContext(ctx, &slack.OpenConversationParameters{ChannelID: channel, Users: users, ReturnIM: args.isTrue("return_im")})
		return err
	}))
}

// openWith opens the conversation with one person.
func (e endpoint) openWith(ctx context.Context, user string) slackAnswer {
	if kind, _ := classify(user); kind != userID {
		return refused("user_not_found")
	}
	conversation, o := e.relay.openDM(ctx, e.route, user)
	switch {
	case o.class == done:
		return answered(map[string]any{"ok": true, "channel": map[string]any{"id": conversation}})
	case o.class == transient || o.class == throttled || o.class == held || strings.HasPrefix(o.reason, "http_"):
		return passOn(nil, o)
	}
	return refused(slackWord(o.reason))
}

// authTest is auth.test: who the bot is, as Slack says or said some minutes
// ago; while Slack cannot be asked, as it last said.
func (e endpoint) authTest(ctx context.Context, _ arguments) slackAnswer {
	r, a := e.relay, e.route.app
	known, found := r.said.Get(a.name + "!self")
	if found && r.now().Before(known.until.Add(saidFor-selfFor)) {
		return answered(json.RawMessage(known.value))
	}
	said, o := r.hear(ctx, a, authTest, func(ctx context.Context) error {
		_, err := a.api.AuthTestContext(ctx)
		return err
	})
	answer := passOn(said, o)
	switch {
	case o.class == done && answer.status < 300:
		r.remember(a.name+"!self", said, selfFor)
	case answer.status >= 300 && found && r.now().Before(known.until):
		return answered(json.RawMessage(known.value))
	}
	return answer
}

// self is what a message says of the app that posts it, if it is known.
func (r *Relay) self(a *app) map[string]string {
	known, _ := r.said.Get(a.name + "!self")
	var self struct {
		UserID string `json:"user_id"`
		BotID  string `json:"bot_id"`
		AppID  string `json:"app_id"`
		TeamID string `json:"team_id"`
	}
	if json.Unmarshal([]byte(known.value), &self) != nil {
		return nil
	}
	m := map[string]string{}
	for name, value := range map[string]string{"user": self.UserID, "bot_id": self.BotID, "app_id": self.AppID, "team": self.TeamID} {
		if value != "" {
			m[name] = value
		}
	}
	return m
}
