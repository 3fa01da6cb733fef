package notifyhook

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

const (
	callTimeout = 10 * time.Second
	pageSize    = 200 // channels; stays well below slackapi.MaxAnswer
)

// slackApp is one route's Slack app: the few methods that delivering needs.
type slackApp struct {
	api *slack.Client
}

func newSlackApp(token secret.String, apiURL string, client *http.Client) slackApp {
	var base http.RoundTripper
	if client != nil {
		base = client.Transport
	}
	return slackApp{api: slackapi.New(token, apiURL, base)}
}

// post sends a message and returns where it stands.
func (a slackApp) post(ctx context.Context, conversation string, m message) (channel, ts string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	channel, ts, err = a.api.PostMessageContext(ctx, conversation, m.options()...)
	if err == nil && ts == "" {
		err = errNoTimestamp
	}
	return channel, ts, err
}

// userByEmail returns the id of an active user.
func (a slackApp) userByEmail(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	user, err := a.api.GetUserByEmailContext(ctx, address)
	switch {
	case err != nil:
		return "", err
	case user.Deleted: // posting to them would seem to work
		return "", slack.SlackErrorResponse{Err: "user_disabled"}
	case user.ID == "":
		return "", errNoTimestamp
	}
	return user.ID, nil
}

// openDM returns the conversation with a user.
func (a slackApp) openDM(ctx context.Context, user string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	channel, _, _, err := a.api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{user}})
	if err == nil && (channel == nil || channel.ID == "") {
		err = errNoTimestamp
	}
	if err != nil {
		return "", err
	}
	return channel.ID, nil
}

// channels returns one page of the channels that the app sees, by name, and the
// cursor of the next.
func (a slackApp) channels(ctx context.Context, cursor string, types []string) (map[string]string, string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, next, err := a.api.GetConversationsContext(ctx, &slack.GetConversationsParameters{Cursor: cursor, Limit: pageSize, ExcludeArchived: true, Types: types})
	if err != nil {
		return nil, "", err
	}
	byName := make(map[string]string, len(list))
	for _, c := range list {
		if c.ID != "" {
			byName[strings.ToLower(c.Name)] = c.ID
		}
	}
	return byName, next, nil
}

// test asks whether Slack answers and takes the token.
func (a slackApp) test(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := a.api.AuthTestContext(ctx)
	if err == nil && answer.UserID == "" && answer.BotID == "" && answer.TeamID == "" {
		return errNoTimestamp
	}
	return err
}
