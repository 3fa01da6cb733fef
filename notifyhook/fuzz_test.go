package notifyhook

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// withinLimits fails the test if a request that was accepted breaks a limit.
func withinLimits(t *testing.T, q request, now time.Time) {
	t.Helper()
	if len(q.To) == 0 || len(q.To) > maxRecipients || len(q.Fallback) > maxRecipients || strings.TrimSpace(q.Text) == "" || utf8.RuneCountInString(q.Text) > maxText ||
		len(q.Meta) > maxMeta || len(q.Entity) > maxEntity || len(q.Link) > 3*maxLink || q.Key != "" && !keyForm.MatchString(q.Key) || q.Type != "" && !typeForm.MatchString(q.Type) ||
		q.begins(now).Sub(now) > maxSendAhead || q.ends(now).Sub(q.begins(now)) < minExpiresIn || q.ends(now).Sub(q.begins(now)) > maxExpiresIn {
		t.Fatalf("accepted %+v", q)
	}
	for _, to := range append(slices.Clone(q.To), q.Fallback...) {
		if kind, same := classify(to); kind == unknownRecipient || same != to {
			t.Fatalf("recipient %q", to)
		}
	}
	canonical, _, err := q.fingerprint()
	if err != nil || strings.ContainsRune(string(canonical), 0) || !utf8.Valid(canonical) {
		t.Fatalf("%q: %v", canonical, err)
	}
}

// No batch breaks a limit, none of its items gets another's key, and a mistake
// in one is not in its neighbours.
func FuzzBatch(f *testing.F) {
	f.Add("application/json", batchOf(minimalJSON, `{"key":"k","to":"C01","text":"x"}`), "msg_1")
	f.Add("", "{\"items\":[{\"to\":\"C01\",\"text\":\"\xe9\"},7,null,{}],\"dry_run\":1}", "")
	f.Add(formType, "items=%5B%7B%7D%5D", "a b")
	rt := &route{host: host, scheme: "https"}
	now := newFakeClock().now()
	f.Fuzz(func(t *testing.T, contentType, body, key string) {
		r := &http.Request{Header: http.Header{"Content-Type": {contentType}, "Webhook-Id": {key}}}
		b, p := rt.parseBatch(r, []byte(body), now)
		if p != nil {
			if p.Status < 400 || p.Status > 499 || p.Code == "" {
				t.Fatalf("problem %+v", p)
			}
			return
		}
		if len(b.items) == 0 || len(b.items) > maxBatch {
			t.Fatalf("%d items", len(b.items))
		}
		for i, one := range b.items {
			if one.Problem != nil {
				if one.Problem.Status < 400 || one.Problem.Status > 499 {
					t.Fatalf("problem %+v", one.Problem)
				}
				continue
			}
			withinLimits(t, one.request, now)
			if key != "" && one.request.Key == "" {
				t.Fatalf("item %d of a batch with a key has none", i)
			}
		}
	})
}

// Whatever is let in carries a signature that the secret makes of exactly this
// id, time and body, and none is let in with another id, time or body.
func FuzzSignature(f *testing.F) {
	f.Add("msg_1", int64(0), minimalJSON, "v1,AAAA", "x")
	f.Add("a.1", int64(301), "{}", "", ".")
	c, err := newCredentials(host, Settings{SigningSecrets: []Credential{{Value: testSecret}, {Value: newSecret}}})
	if err != nil {
		f.Fatal(err)
	}
	now := newFakeClock().now()
	f.Fuzz(func(t *testing.T, id string, skew int64, body, other, added string) {
		at := now.Add(time.Duration(skew%100_000) * time.Second)
		good, err := c.signing[0].webhook.Sign(id, at, []byte(body))
		if err != nil {
			t.Skip()
		}
		check := func(id, body, signature string) bool {
			h := http.Header{}
			h.Set("webhook-id", id)
			h.Set("webhook-timestamp", unix(at))
			h.Set("webhook-signature", signature)
			_, p := c.checkSignature(h, []byte(body), now)
			return p == nil
		}
		sound := id != "" && !strings.Contains(id, ".") && len(id) <= maxKeyLength
		timely := at.Sub(now).Abs() <= signatureTolerance
		if got := check(id, body, good); got != (sound && timely) {
			t.Fatalf("the right signature for %q: %v", id, got)
		}
		if second, err := c.signing[1].webhook.Sign(id, at, []byte(body)); err == nil && check(id, body, other) && !slices.Contains(strings.Fields(other), good) && !slices.Contains(strings.Fields(other), second) {
			t.Fatalf("%q is taken for a signature", other)
		}
		if added != "" && (check(id+added, body, good) || check(id, body+added, good) || check(added+id, body, good)) {
			t.Fatalf("a signature of (%q, %q) is good with %q added", id, body, added)
		}
	})
}

// The same fields are the same request as a form and as JSON, and another value
// in any of them makes it another.
func FuzzFingerprint(f *testing.F) {
	f.Add("Facture validée", "invoice:1", "1", "Facture validee", "invoice:2", "2")
	f.Add("a\r\nb", " x ", "\u2028", "a\nb", "x", "")
	f.Add("1", "01", "1e3", "1.0", "1", "\x00")
	rt := &route{host: host, scheme: "https"}
	now := newFakeClock().now()
	parse := func(t *testing.T, contentType, body string) (request, string) {
		r := &http.Request{Header: http.Header{"Content-Type": {contentType}}}
		q, _, p := rt.parse(r, []byte(body), now)
		if p != nil {
			t.Skip()
		}
		_, hash, err := q.fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		return q, hash
	}
	f.Fuzz(func(t *testing.T, text, entity, note, text2, entity2, note2 string) {
		both := func(text, entity, note string) (request, string) {
			for _, s := range []string{text, entity, note} {
				if !utf8.ValidString(s) { // a form that is not UTF-8 is read as windows-1252
					t.Skip()
				}
			}
			values := url.Values{"to": {"C01"}, "text": {text}, "entity": {entity}, "meta[note]": {note}}
			q, form := parse(t, formType, values.Encode())
			_, object := parse(t, "application/json", string(quote(map[string]any{"to": []string{"C01"}, "text": text, "entity": entity, "meta": map[string]string{"note": note}})))
			if form != object {
				t.Fatalf("%q %q %q: a form and JSON differ", text, entity, note)
			}
			return q, form
		}
		q, hash := both(text, entity, note)
		for _, change := range [][3]string{{text2, entity, note}, {text, entity2, note}, {text, entity, note2}} {
			q2, hash2 := both(change[0], change[1], change[2])
			same := q.Text == q2.Text && q.Entity == q2.Entity && string(q.Meta) == string(q2.Meta)
			if (hash == hash2) != same {
				t.Fatalf("%+v and %+v: same fingerprint %v", q, q2, hash == hash2)
			}
		}
	})
}

// Every member of a request is in its fingerprint.
func TestFingerprintHoldsEverything(t *testing.T) {
	base := request{To: []string{"C01"}, Text: "x"}
	_, want, _ := base.fingerprint()
	for name, change := range map[string]func(*request){
		"type": func(q *request) { q.Type = "a" }, "to": func(q *request) { q.To = []string{"C02"} }, "actor": func(q *request) { q.Actor = "U01" },
		"notify_actor": func(q *request) { q.NotifyActor = true }, "text": func(q *request) { q.Text = "y" }, "mrkdwn": func(q *request) { q.Mrkdwn = true },
		"blocks": func(q *request) { q.Blocks = []byte(`[{}]`) }, "link": func(q *request) { q.Link = "https://x" }, "lang": func(q *request) { q.Lang = "fr" },
		"entity": func(q *request) { q.Entity = "e" }, "mode": func(q *request) { q.Mode = "thread" }, "broadcast": func(q *request) { q.Broadcast = new(true) },
		"fallback": func(q *request) { q.Fallback = []string{"C02"} }, "send_at": func(q *request) { q.SendAt = 1 }, "expires_in": func(q *request) { q.ExpiresIn = 60 },
		"meta": func(q *request) { q.Meta = []byte(`{}`) },
	} {
		q := base
		change(&q)
		if _, got, _ := q.fingerprint(); got == want {
			t.Errorf("%s is not in the fingerprint", name)
		}
	}
	same := base
	same.Key, same.DryRun, same.Credential, same.ReplayOf, same.own = "k", true, "bearer:1", "ntf_1", ownKey{name: "~x"}
	if _, got, _ := same.fingerprint(); got != want {
		t.Error("how it was asked for is in the fingerprint")
	}
}
