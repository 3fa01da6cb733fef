package slacksim_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

const appJSON = `{"display_information":{"name":"Cocoom","description":"d","background_color":"#24506c"},
	"features":{"app_home":{"messages_tab_enabled":true},"bot_user":{"display_name":"cocoom"}},
	"oauth_config":{"redirect_urls":["https://a.cocoom.com/.gateway"],"scopes":{"user":["openid"],"bot":["chat:write","users:read"]}},
	"settings":{"event_subscriptions":{"request_url":"EVENTS","bot_events":["user_change"]}}}`

// created is what the page of an app shows.
func created(t *testing.T, html, id string) string {
	t.Helper()
	m := regexp.MustCompile(`id="` + id + `">([^<]*)<`).FindStringSubmatch(html)
	if m == nil {
		t.Fatalf("the page shows no %s:\n%s", id, html)
	}
	return m[1]
}

// TestCreateAppFromLink walks through what a workspace's admin sees: review,
// create, copy the credentials, an icon, verify the events' address, install.
func TestCreateAppFromLink(t *testing.T) {
	sim := start(t, slacksim.Config{})
	events := make(chan string, 10)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct {
			Type, Challenge string
			Event           struct{ Type string }
		}
		_ = json.NewDecoder(r.Body).Decode(&e)
		events <- e.Type + e.Event.Type
		_, _ = io.WriteString(w, e.Challenge)
	}))
	t.Cleanup(app.Close)
	text := strings.Replace(appJSON, "EVENTS", app.URL, 1)

	_, html := page(t, sim, "/apps?new_app=1&manifest_json="+url.QueryEscape(text), "en")
	for _, want := range []string{`id="review"`, `id="create"`, "Agrafmania", "chat:write", "https://a.cocoom.com/.gateway", "user_change"} {
		if !strings.Contains(html, want) {
			t.Errorf("the form lacks %s", want)
		}
	}
	resp, err := browser(t).PostForm(sim.URL()+"/apps", url.Values{"workspace": {agraf}, "manifest": {text}})
	must(t, err)
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("answered %d %s", resp.StatusCode, body(t, resp))
	}
	at := resp.Header.Get("Location")
	_, html = page(t, sim, at, "fr")
	id, client, secret := created(t, html, "app-id"), created(t, html, "client-id"), created(t, html, "client-secret")
	if !strings.HasPrefix(id, "A") || !regexp.MustCompile(`^\d+\.\d+$`).MatchString(client) || len(secret) != 32 || len(created(t, html, "signing-secret")) != 32 {
		t.Errorf("got %s %s %s", id, client, secret)
	}

	for side, status := range map[int]int{100: http.StatusBadRequest, 512: http.StatusSeeOther} {
		if got := uploadIcon(t, sim.URL()+"/apps/"+id+"/icon", side); got != status {
			t.Errorf("an icon of %d pixels is answered %d", side, got)
		}
	}
	if resp, _ := page(t, sim, "/apps/"+id+"/icon", "en"); resp.Header.Get("Content-Type") != "image/png" {
		t.Errorf("the icon is %s", resp.Header.Get("Content-Type"))
	}

	code := installCode(t, sim, client)
	var got struct {
		OK          bool   `json:"ok"`
		Error       string `json:"error"`
		AppID       string `json:"app_id"`
		AccessToken string `json:"access_token"`
	}
	resp, err = http.PostForm(sim.APIURL()+"oauth.v2.access", url.Values{"client_id": {client}, "client_secret": {secret}, "code": {code}, "redirect_uri": {"https://a.cocoom.com/.gateway/setup/installed"}})
	must(t, err)
	must(t, json.Unmarshal([]byte(body(t, resp)), &got))
	if !got.OK || got.AppID != id || !strings.HasPrefix(got.AccessToken, "xoxb-") {
		t.Fatalf("the installation gives %+v", got)
	}

	press := func(do string) {
		resp, err := http.PostForm(sim.URL()+"/workspace/"+agraf+"/people/"+paul, url.Values{"do": {do}})
		must(t, err)
		body(t, resp)
	}
	press("guest")
	resp, err = browser(t).PostForm(sim.URL()+"/apps/"+id+"/events", nil)
	must(t, err)
	if body(t, resp); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("verifying is answered %d", resp.StatusCode)
	}
	press("join:S0ADMINS") // which the manifest does not subscribe to
	press("member")
	for _, want := range []string{"url_verification", "event_callbackuser_change"} {
		if got := <-events; got != want {
			t.Errorf("the app hears %s, want %s", got, want)
		}
	}
	if len(events) != 0 {
		t.Errorf("and %s", <-events)
	}
}

// installCode clicks Allow as an admin.
func installCode(t *testing.T, sim *slacksim.Server, client string) string {
	t.Helper()
	q := url.Values{"client_id": {client}, "scope": {"chat:write,users:read"}, "redirect_uri": {"https://a.cocoom.com/.gateway/setup/installed"}, "state": {"s"}}
	resp, err := browser(t).PostForm(sim.URL()+"/oauth/v2/authorize?"+q.Encode(), url.Values{"person": {agraf + ":" + marie}})
	must(t, err)
	back, err := url.Parse(resp.Header.Get("Location"))
	must(t, err)
	if back.Query().Get("code") == "" {
		t.Fatalf("sent back to %s", back)
	}
	return back.Query().Get("code")
}

func uploadIcon(t *testing.T, to string, side int) int {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	file, err := w.CreateFormFile("icon", "cocoom.png")
	must(t, err)
	must(t, png.Encode(file, image.NewGray(image.Rect(0, 0, side, side))))
	must(t, w.Close())
	resp, err := browser(t).Post(to, w.FormDataContentType(), &form)
	must(t, err)
	body(t, resp)
	return resp.StatusCode
}

// TestManifestRefused says where a manifest is wrong, as Slack does, on the page
// and by the Web API.
func TestManifestRefused(t *testing.T) {
	clock := newClock()
	sim := start(t, slacksim.Config{Now: clock.Now, NoMethodLimit: true})
	token := sim.ConfigToken(agraf, marie)
	ask := func(method, token, manifest string) (answer struct {
		OK          bool   `json:"ok"`
		Error       string `json:"error"`
		Errors      []struct{ Message, Pointer string }
		AppID       string `json:"app_id"`
		Credentials map[string]string
	}) {
		resp, err := http.PostForm(sim.APIURL()+method, url.Values{"token": {token}, "manifest": {manifest}})
		must(t, err)
		must(t, json.Unmarshal([]byte(body(t, resp)), &answer))
		return answer
	}
	good := strings.Replace(appJSON, "EVENTS", "https://a.cocoom.com/e", 1)
	with := func(old, replacement string) string { return strings.Replace(good, old, replacement, 1) }
	for name, row := range map[string]struct{ manifest, pointer, message string }{
		"no manifest at all":        {"{", "/", "could not be parsed"},
		"a list":                    {"[]", "/", "must provide an object"},
		"nothing in it":             {"{}", "/", "missing required field: display_information"},
		"a long name":               {with(`"Cocoom"`, `"`+strings.Repeat("é", 36)+`"`), "/display_information/name", "less than 36"},
		"a short long description":  {with(`"description"`, `"long_description"`), "/display_information/long_description", "at least 175"},
		"an unknown key":            {with(`"bot_user"`, `"bot_usr"`), "/features", "bot_usr"},
		"a flag in words":           {with(`true`, `"yes"`), "/features/app_home/messages_tab_enabled", "boolean"},
		"a bot in capitals":         {with(`"cocoom"`, `"Cocoom"`), "/features/bot_user/display_name", "pattern"},
		"a redirect twice":          {with(`["https://a.cocoom.com/.gateway"]`, `["https://a.b/","https://a.b/"]`), "/oauth_config/redirect_urls/1", "unique"},
		"a redirect over http":      {with(`["https:`, `["http:`), "/oauth_config/redirect_urls/0", "https"},
		"a fragment":                {with(`.gateway"`, `.gateway#x"`), "/oauth_config/redirect_urls/0", "fragment"},
		"a person's scope of a bot": {with(`"chat:write"`, `"openid"`), "/oauth_config/scopes/bot/0", "Illegal bot scopes found openid"},
		"an event without scope":    {with(`,"users:read"`, ``), "/settings/event_subscriptions/bot_events/0", "users:read"},
		"events for nobody":         {with(`"request_url":"https://a.cocoom.com/e",`, ``), "/settings/event_subscriptions", "Event Subscription requires either Request URL or Socket Mode Enabled"},
		"buttons for nobody":        {with(`"settings":{`, `"settings":{"interactivity":{"is_enabled":true},`), "/settings/interactivity", "Interactivity requires a Request URL"},
	} {
		answer := ask("apps.manifest.validate", token, row.manifest)
		if answer.OK || answer.Error != "invalid_manifest" || len(answer.Errors) != 1 || answer.Errors[0].Pointer != row.pointer || !strings.Contains(answer.Errors[0].Message, row.message) {
			t.Errorf("%s: answered %+v", name, answer)
		}
		if a := ask("apps.manifest.create", token, row.manifest); a.Error != "invalid_manifest" {
			t.Errorf("%s: creating is answered %+v", name, a)
		}
		resp, err := browser(t).PostForm(sim.URL()+"/apps", url.Values{"workspace": {agraf}, "manifest": {row.manifest}})
		must(t, err)
		if html := body(t, resp); resp.StatusCode != http.StatusBadRequest || !strings.Contains(html, `data-pointer="`+row.pointer+`"`) {
			t.Errorf("%s: the form answers %d", name, resp.StatusCode)
		}
	}
	if _, html := page(t, sim, "/apps?new_app=1&manifest_yaml="+url.QueryEscape("display_information:\n  name: From YAML\n"), "en"); strings.Contains(html, `id="errors"`) || !strings.Contains(html, "From YAML") {
		t.Error("YAML is not taken")
	}
	if a := ask("apps.manifest.validate", token, good); !a.OK {
		t.Errorf("a good one is answered %+v", a)
	}
	a := ask("apps.manifest.create", token, good)
	if !a.OK || a.AppID == "" || a.Credentials["client_secret"] == "" || a.Credentials["signing_secret"] == "" {
		t.Errorf("creating is answered %+v", a)
	}
	if _, html := page(t, sim, "/apps", "en"); !strings.Contains(html, `data-app="`+a.AppID+`"`) {
		t.Error("the app is not listed")
	}
	for name, got := range map[string]string{
		"not_allowed_token_type": ask("auth.test", token, "").Error,
		"not_authed":             ask("apps.manifest.create", "", good).Error,
	} {
		if got != name {
			t.Errorf("got %q, want %q", got, name)
		}
	}
	if got := ask("apps.manifest.create", botTok, good).Error; got != "not_allowed_token_type" {
		t.Errorf("a bot's token is answered %q", got)
	}
	clock.add(12 * time.Hour)
	if got := ask("apps.manifest.create", token, good).Error; got != "token_expired" {
		t.Errorf("an old token is answered %q", got)
	}
}
