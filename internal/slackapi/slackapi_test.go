package slackapi_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

func TestAnswers(t *testing.T) {
	for name, row := range map[string]struct {
		answer http.HandlerFunc
		check  func(error) bool
	}{
		"429 without Retry-After": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, waits(slackapi.DefaultWait)},
		"429 with rubbish":        {limited("soon"), waits(slackapi.DefaultWait)},
		"429 with seconds":        {limited("7"), waits(7 * time.Second)},
		"429 with a year":         {limited("31536000"), waits(slackapi.MaxWait)},
		"an error name under 403": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(403)
			fmt.Fprint(w, `{"ok":false,"error":"invalid_auth"}`)
		}, func(err error) bool {
			said, ok := errors.AsType[slack.SlackErrorResponse](err)
			return ok && said.Err == "invalid_auth"
		}},
		"a redirect is not followed": {func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/elsewhere") {
				fmt.Fprint(w, `{"ok":true}`)
				return
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, func(err error) bool { return err != nil }},
		"an endless answer is cut": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"ok":true,"user":"`+strings.Repeat("x", 2*slackapi.MaxAnswer)+`"}`)
		}, func(err error) bool { return err != nil }},
		"no connection": {nil, func(err error) bool { _, ok := errors.AsType[*slackapi.UnsentError](err); return ok }},
		"a connection that broke": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, func(err error) bool {
			_, unsent := errors.AsType[*slackapi.UnsentError](err)
			return err != nil && !unsent
		}},
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan [2]string, 4)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- [2]string{r.Header.Get("Authorization"), r.URL.Path}
				row.answer(w, r)
			}))
			defer srv.Close()
			if row.answer == nil {
				srv.Close()
			}
			_, err := slackapi.New("xoxb-1", srv.URL+"/api", nil).AuthTestContext(t.Context())
			if !row.check(err) {
				t.Errorf("error %T %v", err, err)
			}
			if row.answer == nil {
				return
			}
			if got := <-asked; got != [2]string{"Bearer xoxb-1", "/api/auth.test"} || len(asked) > 0 {
				t.Errorf("asked %q, and %d times more", got, len(asked))
			}
		})
	}
}

func limited(after string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", after)
		w.WriteHeader(429)
	}
}

func waits(d time.Duration) func(error) bool {
	return func(err error) bool {
		l, ok := errors.AsType[*slack.RateLimitedError](err)
		return ok && l.RetryAfter == d
	}
}

// TestWithAnswer: what the library does not know of an answer is kept.
func TestWithAnswer(t *testing.T) {
	const answer = `{"ok":true,"user_id":"U1","novelty":[1.50]}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
	defer srv.Close()
	var said bytes.Buffer
	got, err := slackapi.New("xoxb-1", srv.URL, nil).AuthTestContext(slackapi.WithAnswer(t.Context(), &said))
	if err != nil || got.UserID != "U1" || said.String() != answer {
		t.Errorf("got %+v, %v, and kept %s", got, err, said.String())
	}
}
