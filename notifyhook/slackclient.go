package notifyhook

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

const (
	callTimeout = 10 * time.Second
	pageSize    = 200 // channels; stays well below slackapi.MaxAnswer

	historyPageSize = 100 // messages, which may be long; as above

	maxChannelName = 80 * 4  // bytes; Slack takes 80 characters
	maxCursor      = 1 << 10 // bytes
)

var idOrStamp = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)

// plausible says whether Slack's word for a conversation, a person or a message's
// ts can be one: it is kept in memory and in the store, and is part of lanes'
// names.
func plausible(s string) bool { return idOrStamp.MatchString(s) }

// plausibleOr is s, or what stands for it if s can be no id and no ts.
func plausibleOr(s, other string) string {
	if plausible(s) {
		return s
	}
	return other
}

// Methods of the Web API (https://docs.slack.dev/reference/methods). Slack
// limits each by itself.
const (
	postMessage       = "chat.postMessage"
	updateMessage     = "chat.update"
	lookupByEmail     = "users.lookupByEmail"
	openConversation  = "conversations.open"
	listConversations = "conversations.list"
	joinConversation  = "conversations.join"
	authTest          = "auth.test"

	conversationHistory = "conversations.history"
	conversationReplies = "conversations.replies"
)

// slackApp is a Slack app's side of the Web API: the few methods that
// delivering needs.
type slackApp struct {
	api    *slack.Client
	token  secret.String
	url    string // what method names are appended to
	limits *limits
	now    func() time.Time
	calls  *slackapi.Calls
}

func newSlackApp(token secret.String, apiURL string, client *http.Client, now func() time.Time) slackApp {
	var base http.RoundTripper
	if client != nil {
		base = client.Transport
	}
	return slackApp{api: slackapi.New(token, apiURL, base), token: token, url: slackapi.Base(apiURL), limits: &limits{}, now: now}
}

// counted is a with its calls counted and traced.
func (a slackApp) counted(calls *slackapi.Calls) slackApp {
	a.calls = calls
	return a
}

// heldError is: Slack was not called, since it asked us not to yet.
type heldError struct{ wait time.Duration }

// Error names the reason.
func (e *heldError) Error() string { return "method is held back" }

// absent reports whether the app is not installed yet: there is no token.
func (a slackApp) absent() bool { return a.token == "" }

// errNotInstalled is: there is no token to call Slack with.
var errNotInstalled = errors.New("the Slack app is not installed")

// notInstalled is the reason of what comes of that.
const notInstalled = "not_installed"

// call calls one method, unless Slack has asked to wait with it. What a 429
// asks for counts for the method everywhere, but for posting, where it most
// often means one conversation (see limits.lane).
func (a slackApp) call(ctx context.Context, method string, do func(context.Context) error) error {
	if a.absent() {
		return errNotInstalled
	}
	if wait := a.limits.wait(method, a.now()); wait > 0 {
		return &heldError{wait: wait}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := a.calls.Do(ctx, method, do)
	if limited, ok := errors.AsType[*slack.RateLimitedError](err); ok && method != postMessage {
		a.limits.pause(method, a.now().Add(limited.RetryAfter))
	}
	return err
}

// post sends a message and returns where it stands, and below which message:
// where a reply's parent was deleted, Slack may post it below none.
func (a slackApp) post(ctx context.Context, conversation string, m message, more ...slack.MsgOption) (channel, ts, parent string, err error) {
	err = a.call(ctx, postMessage, func(ctx context.Context) error {
		options := append(m.options(), more...)
		if m.slack != nil { // attachments pass on as they came, which the library's own option cannot
			options = append(options, slack.UnsafeMsgOptionEndpoint(a.url+postMessage, m.slack.set))
		}
		var answer slack.Message
		channel, ts, answer, err = a.api.PostMessageWithResponseContext(ctx, conversation, options...)
		parent = answer.ThreadTimestamp
		if answer.Timestamp == "" { // it was not told
			parent = m.threadTS
		}
		if err == nil && !plausible(ts) {
			return errNoTimestamp
		}
		return err
	})
	return plausibleOr(channel, conversation), ts, plausibleOr(parent, ""), err
}

// userByEmail returns the id of an active user.
func (a slackApp) userByEmail(ctx context.Context, address string) (id string, err error) {
	err = a.call(ctx, lookupByEmail, func(ctx context.Context) error {
		user, err := a.api.GetUserByEmailContext(ctx, address)
		switch {
		case err != nil:
			return err
		case user.Deleted: // posting to them would seem to work
			return slack.SlackErrorResponse{Err: "user_disabled"}
		case !plausible(user.ID):
			return errNoTimestamp
		}
		id = user.ID
		return nil
	})
	return id, err
}

// openDM returns the conversation with a user.
func (a slackApp) openDM(ctx context.Context, user string) (id string, err error) {
	err = a.call(ctx, openConversation, func(ctx context.Context) error {
		channel, _, _, err := a.api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{user}})
		if err != nil {
			return err
		}
		if channel == nil || !plausible(channel.ID) {
			return errNoTimestamp
		}
		id = channel.ID
		return nil
	})
	return id, err
}

// join makes the bot a member of a public channel, for which it needs the scope
// channels:join (https://docs.slack.dev/reference/methods/conversations.join).
func (a slackApp) join(ctx context.Context, conversation string) error {
	return a.call(ctx, joinConversation, func(ctx context.Context) error {
		channel, _, _, err := a.api.JoinConversationContext(ctx, conversation)
		if err == nil && (channel == nil || channel.ID == "") {
			return errNoTimestamp
		}
		return err
	})
}

// channels returns one page of the channels that the app sees, by name, and the
// cursor of the next.
func (a slackApp) channels(ctx context.Context, cursor string, types []string) (byName map[string]string, next string, err error) {
	err = a.call(ctx, listConversations, slackapi.Affirmed("channels", func(ctx context.Context) error {
		var list []slack.Channel
		list, next, err = a.api.GetConversationsContext(ctx, &slack.GetConversationsParameters{Cursor: cursor, Limit: pageSize, ExcludeArchived: true, Types: types})
		byName = make(map[string]string, len(list))
		for _, c := range list {
			if plausible(c.ID) && len(c.Name) <= maxChannelName {
				byName[strings.ToLower(c.Name)] = c.ID
			}
		}
		return err
	}))
	if err == nil && next != "" && (next == cursor || len(next) > maxCursor) { // the list would never end
		err = errNoTimestamp
	}
	return byName, next, err
}

// test asks whether Slack answers and takes the token.
func (a slackApp) test(ctx context.Context) error {
	return a.call(ctx, authTest, func(ctx context.Context) error {
		answer, err := a.api.AuthTestContext(ctx)
		if err == nil && answer.UserID == "" && answer.BotID == "" && answer.TeamID == "" {
			return errNoTimestamp
		}
		return err
	})
}
