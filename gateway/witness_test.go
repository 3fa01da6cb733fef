package gateway_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// TestWitness: whoever waits for it learns how a sign-in came back, by names
// alone, and what is no sign-in ends no waiting.
func TestWitness(t *testing.T) {
	w := newWorld(t)
	at := w.routes[0]
	told, stop, err := w.gateway.Witness(host)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if _, _, err := w.gateway.Witness(host); err == nil {
		t.Error("two may wait for one host")
	}
	if _, _, err := w.gateway.Witness("nobody.localhost"); err == nil {
		t.Error("somebody waits for no route")
	}
	marie := w.browser()
	w.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.Forged, Times: 1, Forge: func(c jwt.MapClaims) string {
		c["picture"] = "https://example.com/marie.png"
		return ""
	}})
	marie.signIn(at.Origin+"/", teams[0], "U0MARIE")
	seen := <-told
	if seen.Method != "GET" || !slices.Equal(seen.Query, []string{"code", "state"}) || len(seen.Form) != 0 ||
		seen.Outcome != "signed_in" || seen.Team != "the route's" || seen.UserInfo ||
		!slices.Contains(seen.Claims, "picture") || !slices.Contains(seen.Claims, "https://slack.com/team_id") {
		t.Errorf("seen %+v", seen)
	}
	if text := fmt.Sprint(seen); strings.Contains(text, "arie") || strings.Contains(text, teams[0]) {
		t.Errorf("a value is in %s", text)
	}

	// A form_post answer, which is refused, is seen all the same.
	told, stop, err = w.gateway.Witness(host)
	if err != nil {
		t.Fatal(err)
	}
	back := w.browser().do("POST", at.Origin+"/.gateway/callback", strings.NewReader("code=secret-code&state=x"), "Content-Type", "application/x-www-form-urlencoded")
	if back.StatusCode != http.StatusMethodNotAllowed || back.Header.Get("Allow") != "GET" {
		t.Errorf("POST answered %d, Allow %q", back.StatusCode, back.Header.Get("Allow"))
	}
	if seen := <-told; seen.Method != "POST" || !slices.Equal(seen.Form, []string{"code", "state"}) || seen.Outcome == "signed_in" || strings.Contains(fmt.Sprint(seen), "secret-code") {
		t.Errorf("seen %+v", seen)
	}
	stop()
	if _, stop, err = w.gateway.Witness(host); err != nil {
		t.Errorf("after the end nobody may wait: %v", err)
	}
	stop()
}
