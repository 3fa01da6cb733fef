package gateway_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestOneUnreadablePersonHoldsUpTheOthers: of those who are kept out, one whom
// Slack cannot tell about keeps on trying. The others are asked about.
func TestOneUnreadablePersonHoldsUpTheOthers(t *testing.T) {
	o := newOffice(t, nil)
	people := map[string]*browser{}
	for _, user := range []string{"U0MARIE", "U0PAUL"} {
		people[user] = o.arrives(user)
	}
	for bad, good := range map[string]string{"U0MARIE": "U0PAUL", "U0PAUL": "U0MARIE"} {
		t.Run(bad, func(t *testing.T) {
			for user := range people {
				people[user] = o.arrives(user)
			}
			o.slack.Fault(slacksim.Fault{Method: "users.info", Kind: slacksim.ServerError})
			o.pass(73 * time.Hour / 2)
			o.slack.ClearFaults()
			o.slack.Fault(slacksim.Fault{Method: "users.info", Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, r *http.Request) {
				if r.FormValue("user") == bad {
					_, _ = rw.Write([]byte("rubbish"))
					return
				}
				writeUser(rw, o.slack.UserObject(teams[0], r.FormValue("user")))
			}})
			for range 20 { // both try again and again
				o.advance(31 * time.Second)
				people[bad].get(o.page)
				people[good].get(o.page)
				must(t, o.gateway.AskAboutPeople(context.Background()))
			}
			o.wants(people[bad], o.page, 503, "")
			o.wants(people[good], o.page, 200, "")
			o.slack.ClearFaults()
		})
	}
}
