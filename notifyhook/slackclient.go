package notifyhook

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

const (
	callTimeout = 10 * time.Second
	maxAnswer   = 1 << 20
	pageSize    = 200 // channels; stays well below maxAnswer
)

// slackApp is one route's Slack app: the few methods that delivering needs.
type slackApp struct {
	api *slack.Client
}

func newSlackApp(token secret.String, apiURL string, client *http.Client) slackApp {
	apiURL = cmp.Or(apiURL, slack.APIURL)
	if !strings.HasSuffix(apiURL, "/") { // the library appends the method's name as it is
		apiURL += "/"
	}
	base := http.DefaultTransport
	if client != nil && client.Transport != nil {
		base = client.Transport
	}
	return slackApp{api: slack.New(token.Reveal(), slack.OptionAPIURL(apiURL), slack.OptionHTTPClient(&http.Client{
		Transport: transport{base: base, token: token},
		// A redirect could carry the token to another host; the API has none.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}))}
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

// transport makes what Slack, proxies and stand-ins answer fit to classify.
// slack-go sends most tokens in the body only; in the header as well, they
// satisfy any server of this API.
type transport struct {
	base  http.RoundTripper
	token secret.String
}

// RoundTrip tells errors before there was a connection, which Slack cannot have
// seen, from those after it; gives every 429 a Retry-After, keeps Slack's error name under a 4xx status,
// and bounds the body.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	req = req.Clone(httptrace.WithClientTrace(req.Context(), trace))
	req.Header.Set("Authorization", "Bearer "+t.token.Reveal())
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		if !connected.Load() {
			return nil, &unsentError{reason: transportReason(err), err: err}
		}
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		resp.Header.Set("Retry-After", strconv.Itoa(retryAfter(resp.Header.Get("Retry-After"))))
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json"):
		resp.StatusCode, resp.Status = http.StatusOK, "200 OK" // the library reads a body only then
	}
	return resp, nil
}

// retryAfter reads the header's seconds, within an hour; what is no number is
// the default.
func retryAfter(value string) int {
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil || n < 0 {
		return int(throttleDefault / time.Second)
	}
	return min(n, int(throttleLimit/time.Second))
}
