package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
	"github.com/cocoom/cocoom-gateway/policy"
)

// people asks Slack, with a route's bot token, what the ID token does not say:
// whether somebody is a guest, an admin or deactivated.
type people struct {
	apiURL string
}

// complete fills in Guest and Admin. It refuses who is deactivated, and guests
// where the route does. Without a bot token (then the route lets guests in, as
// its configuration had to say) it leaves the identity as it is.
func (p *people) complete(ctx context.Context, rt *Route, id *policy.Identity) error {
	if rt.SlackApp.BotToken == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, slackTimeout)
	defer cancel()
	user, err := slackapi.New(rt.SlackApp.BotToken, p.apiURL, nil).GetUserInfoContext(ctx, id.User)
	if err != nil {
		return infoError(err)
	}
	// slack-go gives no error for {"ok":false} without an error string.
	if user.ID != id.User {
		return errSlackAnswer.because(errors.New("users.info is about somebody else"))
	}
	// The flags of a deactivated person are missing, so this comes first.
	if user.Deleted {
		return errDeactivated
	}
	// Slack Connect shows people of other workspaces too.
	if user.TeamID != "" && user.TeamID != rt.Workspace && !slices.Contains(user.Enterprise.Teams, rt.Workspace) {
		return errWorkspace.because(fmt.Errorf("users.info says team %s", clip(user.TeamID, 40)))
	}
	id.Guest = user.IsRestricted || user.IsUltraRestricted
	id.Admin = user.IsAdmin || user.IsOwner || user.IsPrimaryOwner
	if id.Guest && rt.Login.Guests != "allow" {
		return errGuest
	}
	return nil
}

// infoError tells apart whose fault a failed users.info is.
func infoError(err error) error {
	var limited *slack.RateLimitedError
	var status slack.StatusCodeError
	var said slack.SlackErrorResponse
	switch {
	case errors.As(err, &limited):
		return errSlackBusy.because(errors.New("users.info is rate limited")).retrying(strconv.Itoa(int(limited.RetryAfter.Seconds())))
	case errors.As(err, &status):
		return errSlackDown.because(fmt.Errorf("users.info answered %d", status.Code))
	case errors.As(err, &said) && slackapi.Unavailable(said.Err):
		return errSlackDown.because(fmt.Errorf("users.info answered %s", said.Err))
	case errors.As(err, &said):
		cause := fmt.Errorf("users.info answered %s", clip(said.Err, 80))
		switch said.Err {
		case "user_not_found", "user_not_visible", "users_not_found":
			return errWorkspace.because(cause)
		}
		return errSetup.because(cause).saying(said.Err).mending(mendBot(said.Err))
	case isNetwork(err):
		return errSlackDown.because(errors.New("users.info cannot be reached"))
	}
	return errSlackAnswer.because(errors.New("users.info answer cannot be read"))
}

// isNetwork reports whether err comes from the way to Slack, not from what it said.
func isNetwork(err error) bool {
	var ne net.Error
	var ue *url.Error
	return errors.As(err, &ne) || errors.As(err, &ue) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// plausibleEmail refuses what mail-based rules could be fooled with: anything
// but exactly one @ with something on both sides, and no control or space.
func plausibleEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && len(s) <= 254 && !strings.Contains(domain, "@") &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// plausibleID refuses what is no id of a person: it becomes part of revocations'
// names, of headers and of logs. Slack's are upper case and short; a provider
// without Slack's own claim may use its subject.
func plausibleID(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.:|@", r))
	})
}
