package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

const (
	// slackEvery is between two calls to Slack, whichever app they are for: ten
	// thousand apps are asked in a quarter of an hour.
	slackEvery = 20 * time.Millisecond
	// maxPatience is how long a 429 may make us wait, once per call.
	maxPatience = 30 * time.Second
)

// pace spreads calls over time. The zero value is ready.
type pace struct {
	mu   sync.Mutex
	next time.Time
}

// wait returns when it is the caller's turn, or ctx has ended.
func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	turn := p.next
	if now := time.Now(); turn.Before(now) {
		turn = now
	}
	p.next = turn.Add(slackEvery)
	p.mu.Unlock()
	return sleep(ctx, time.Until(turn))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// call makes one call to Slack, and a second one if the first was throttled.
func (d *Doctor) call(ctx context.Context, do func(context.Context) error) error {
	for try := 1; ; try++ {
		if err := d.pace.wait(ctx); err != nil {
			return err
		}
		one, cancel := context.WithTimeout(ctx, askTime)
		err := do(one)
		cancel()
		limited, throttled := errors.AsType[*slack.RateLimitedError](err)
		if !throttled || try == 2 || limited.RetryAfter > maxPatience {
			return err
		}
		if err := sleep(ctx, limited.RetryAfter); err != nil {
			return err
		}
	}
}

// slackError gives Slack's word for what went wrong, and whether it is about
// what was asked; otherwise nobody could be asked, or Slack has a trouble of its
// own, and the word says which.
func slackError(err error) (word string, refused bool) {
	if said, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return clean(said.Err), !slackapi.Unavailable(said.Err)
	}
	if limited, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return fmt.Sprintf("Slack asks to wait %s", limited.RetryAfter), false
	}
	if status, ok := errors.AsType[slack.StatusCodeError](err); ok {
		return fmt.Sprintf("Slack answers %d", status.Code), false
	}
	return unreachable(err), false
}

// unreachable says why nobody could be asked, without the address, whose query
// may hold a secret.
func unreachable(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", askTime)
	}
	return oneLine(err.Error())
}

// clean keeps what may stand in Slack's words and ids.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-:.", r) {
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), 80)]
}

// answer is what an endpoint said: of its body only an error's name.
type answer struct {
	status int
	header http.Header
	body   []byte
	name   string // of the error; empty: none, or none that can be read
}

// ask makes a request to Slack, or to an OpenID provider in its place.
func (d *Doctor) ask(ctx context.Context, req *http.Request) (answer, error) {
	if err := d.pace.wait(ctx); err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	resp, err := d.plain.Do(req.WithContext(ctx))
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(slackapi.Bounded(resp.Body))
	if err != nil {
		return answer{}, err
	}
	var said struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &said) // what is no JSON has no name
	return answer{resp.StatusCode, resp.Header, body, clean(said.Error)}, nil
}
