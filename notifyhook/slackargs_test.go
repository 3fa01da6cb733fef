package notifyhook

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzSlackArguments: whatever comes, what is accepted is bounded, comes out of
// the store as it went in, and has a plain form.
func FuzzSlackArguments(f *testing.F) {
	for _, seed := range []struct{ contentType, body string }{
		{"application/json", `{"text":"x","channel":"#ops","attachments":[{"fallback":"f"}],"blocks":[{"type":"divider"}],"mrkdwn":false}`},
		{"application/x-www-form-urlencoded", `payload={"text":"\u0000<!here>"}&x=%e9`},
		{"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"payload\"\r\n\r\n{\"text\":\"x\"}\r\n--b--\r\n"},
		{"", `{"text":1.50,"username":null,"thread_ts":"1.2","unfurl_links":"true"}`},
	} {
		f.Add(seed.contentType, seed.body)
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		fromHook, _ := readPayload(contentType, []byte(body))
		fromAPI, _, _ := readArguments(r, []byte(body))
		for _, args := range []arguments{fromHook, fromAPI} {
			q, _, word := args.message("#ops")
			if word != "" {
				continue
			}
			canonical, hash, err := q.fingerprint()
			if err != nil {
				t.Fatalf("%+v: %v", q, err)
			}
			var kept request
			if err := json.Unmarshal(canonical, &kept); err != nil || kept.Slack == nil {
				t.Fatalf("%s: %v", canonical, err)
			}
			if _, again, err := kept.fingerprint(); err != nil || again != hash {
				t.Fatalf("%s is another request than it was: %v", canonical, err)
			}
			form := url.Values{"text": {kept.Text}}
			kept.Slack.set(form)
			if n := utf8.RuneCountInString(kept.Text); n > maxSlackText || !utf8.ValidString(form.Encode()) {
				t.Fatalf("%d characters: %q", n, form)
			}
			if m := composePlain(kept, audience{}); m.slack.Attachments != nil || len(m.blocks) > 0 || utf8.RuneCountInString(m.text) > maxMessageText {
				t.Fatalf("not plain: %+v", m)
			}
		}
	})
}
