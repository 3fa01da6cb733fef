package notifyhook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

const (
	maxRecipients  = 50
	maxText        = 12000 // characters
	maxBlocks      = 50    // Slack's own limit
	maxMeta        = 2 << 10
	maxType        = 128
	maxLink        = 2000
	maxLinkSent    = 2900 // as Slack gets it, which is a section
	maxEntity      = 256
	maxSendAhead   = 30 * 24 * time.Hour
	minExpiresIn   = 60 * time.Second
	maxExpiresIn   = 7 * 24 * time.Hour
	defaultExpires = 24 * time.Hour
)

var (
	keyForm  = regexp.MustCompile(`^[A-Za-z0-9_:-]{1,128}$`)
	idForm   = regexp.MustCompile(`^ntf_[a-z0-9]{1,64}$`)
	typeForm = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)*$`)
)

// request is a notification as asked, in one form whatever it came as. Its
// JSON is what is kept, and what the fingerprint is made of.
type request struct {
	Key         string          `json:"-"` // the caller's; empty: none
	DryRun      bool            `json:"-"` // nothing is kept or sent
	Credential  string          `json:"-"` // by which it came: KIND:ID
	ReplayOf    string          `json:"-"` // id of the notification that it repeats
	own         ownKey          // without a key of the caller's; its zero value: none
	Type        string          `json:"type,omitempty"`
	To          []string        `json:"to"`
	Actor       string          `json:"actor,omitempty"`
	NotifyActor bool            `json:"notify_actor,omitempty"`
	Text        string          `json:"text"`
	Mrkdwn      bool            `json:"mrkdwn,omitempty"`
	Blocks      json.RawMessage `json:"blocks,omitempty"`
	Mentions    []string        `json:"mentions,omitempty"` // the only ones that ping
	Template    string          `json:"template,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	Wording     *wording        `json:"wording,omitempty"` // what the template made of data, if there is no text
	Link        string          `json:"link,omitempty"`
	Lang        string          `json:"lang,omitempty"`
	Entity      string          `json:"entity,omitempty"`
	Mode        string          `json:"mode,omitempty"`       // thread | update; empty: a message of its own
	Broadcast   *bool           `json:"broadcast,omitempty"`  // whether a reply is shown in the conversation, too; nil: as the route's settings say
	Fallback    []string        `json:"fallback,omitempty"`   // tried in order when a recipient cannot be reached
	SendAt      int64           `json:"send_at,omitempty"`    // Unix ms; 0: now
	ExpiresIn   int64           `json:"expires_in,omitempty"` // seconds after SendAt; 0: the default
	Meta        json.RawMessage `json:"meta,omitempty"`
	Slack       *slackArgs      `json:"slack,omitempty"` // asked for in Slack's own terms; nil: in ours
	OwnTS       string          `json:"-"`               // of the message, as the caller was told; empty: not told
}

// fingerprint is the same for the same content, in form or JSON, under any key,
// and whatever a template makes of it.
func (q request) fingerprint() (canonical []byte, hash string, err error) {
	canonical, err = json.Marshal(q)
	if err != nil {
		return nil, "", fmt.Errorf("encode request: %w", err)
	}
	asked := canonical
	if q.Wording != nil {
		q.Wording = nil
		if asked, err = json.Marshal(q); err != nil {
			return nil, "", fmt.Errorf("encode request: %w", err)
		}
	}
	sum := sha256.Sum256(asked)
	return canonical, hex.EncodeToString(sum[:]), nil
}

// begins is when the request may first be sent, ends when no longer.
func (q request) begins(now time.Time) time.Time {
	if at := time.UnixMilli(q.SendAt); at.After(now) {
		return at
	}
	return now
}

func (q request) ends(now time.Time) time.Time {
	life := time.Duration(q.ExpiresIn) * time.Second
	if life == 0 {
		life = defaultExpires
	}
	return q.begins(now).Add(life)
}

// suppresses says whether the recipient is the actor, as far as the spelling
// tells. An e-mail and a user id are compared once both are resolved.
func (q request) suppresses(to string) bool {
	return q.Actor == to && !q.NotifyActor
}

// parse reads and checks a body. Mistakes come all at once.
func (rt *route) parse(r *http.Request, body []byte, now time.Time) (request, []string, *problem) {
	f, warnings, p := readFields(r.Header.Get("Content-Type"), body)
	if p != nil {
		return request{}, nil, p
	}
	q, more, p := rt.check(f, isStrict(r.Header), now)
	return q, append(warnings, more...), p
}

// isStrict says whether the caller wants what nobody knows to be refused
// (RFC 7240).
func isStrict(h http.Header) bool {
	return strings.Contains(strings.ReplaceAll(h.Get("Prefer"), " ", ""), "handling=strict")
}

// check makes a request of fields. strict refuses those that nobody knows.
func (rt *route) check(f fields, strict bool, now time.Time) (request, []string, *problem) {
	d := decoder{fields: f}
	q := request{
		Key: d.matching("key", keyForm, maxKeyLength), Type: d.matching("type", typeForm, maxType),
		To: d.to(), Actor: d.actor(), NotifyActor: d.boolean("notify_actor"),
		Mrkdwn: d.oneOf("format", "plain", "mrkdwn") == "mrkdwn", Lang: d.oneOf("lang", "fr", "en", "auto"),
		Link: d.link(rt), SendAt: d.sendAt(now), ExpiresIn: d.expiresIn(), Meta: d.meta(),
		Entity: d.entity(), Broadcast: d.tristate("broadcast"), Fallback: d.recipients("fallback"), Mentions: d.mentions(), Data: d.data(),
	}
	q.Template = d.template(rt.templates)
	q.Text = d.body(rt.templates.choose(q) != "")
	q.Wording = d.wording(rt.templates, q)
	q.Mode = d.mode(q.Entity)
	q.Blocks = d.blocks(q)
	q.DryRun = d.boolean("dry_run")
	d.rest(strict)
	if len(d.errors) > 0 {
		return q, nil, invalid(d.errors...)
	}
	return q, d.warnings, nil
}
