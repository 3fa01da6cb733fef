package cocoomsim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// hookTimeout is how long a page waits for the webhook, and the app for
// anything else it fetches: PHP blocks meanwhile.
const hookTimeout = 3 * time.Second

// maxAnswer bounds what is read of the webhook's answer, in bytes.
const maxAnswer = 4 << 10

// newClient returns the client for the webhook and the JWKS. It takes every
// name under .localhost for this machine (RFC 6761, section 6.3), as browsers
// do and many resolvers do not; the Host header stays. Like the app's PHP
// snippet it sends its token to the address it was given and nowhere else.
func newClient() *http.Client {
	dialer := &net.Dialer{Timeout: hookTimeout}
	return &http.Client{
		Timeout: hookTimeout,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, localAddr(addr))
			},
			MaxIdleConnsPerHost: 2,
			IdleConnTimeout:     10 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// localAddr replaces a host under .localhost by the loopback address.
func localAddr(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}

// notification is what the app tells the webhook.
type notification struct {
	to, actor       string            // e-mail addresses
	data            map[string]string // what the event's template needs
	link            string
	entity, mode    string // which message this one belongs to, and how
	event, dedupKey string
}

// hookResult is what became of a notification; Text says it in French.
type hookResult struct {
	Kind   string // "ok", "warn" or "error", as for a flash
	Status int    // of the webhook's answer; 0: there was none
	Text   string
}

// notify posts a notification as the form a PHP app would send with
// http_build_query and a stream context.
func (a *App) notify(ctx context.Context, t *tenant, n notification) hookResult {
	if t.HookURL == "" {
		return hookResult{"warn", 0, "Aucune notification : le webhook n’est pas configuré."}
	}
	form := url.Values{
		"to": {n.to}, "type": {n.event}, "key": {n.dedupKey}, "link": {n.link}, "actor": {n.actor}, "entity": {n.entity}, "mode": {n.mode},
	}
	for name, value := range n.data {
		form.Set("data["+name+"]", value)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.HookURL, strings.NewReader(form.Encode()))
	if err != nil {
		a.log.ErrorContext(ctx, "webhook request failed", "host", t.Host, "error", err)
		return hookResult{"error", 0, "Notification non envoyée : l’adresse du webhook est fausse."}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+t.HookToken)
	res, err := a.client.Do(req)
	if err != nil {
		a.log.WarnContext(ctx, "webhook unreachable", "host", t.Host, "error", err)
		return hookResult{"error", 0, "Notification non envoyée : le webhook ne répond pas."}
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch res.StatusCode {
	case http.StatusAccepted:
		return hookResult{"ok", res.StatusCode, "Notification acceptée (202)" + idIn(body) + "."}
	case http.StatusOK:
		return hookResult{"ok", res.StatusCode, "Notification déjà connue (200)."}
	}
	return hookResult{"error", res.StatusCode, fmt.Sprintf("Notification refusée (%d) : %s", res.StatusCode, problem(body))}
}

// idIn is the notification's number, by which support finds it again.
func idIn(body []byte) string {
	var doc struct{ ID string }
	if json.Unmarshal(body, &doc) != nil || doc.ID == "" {
		return ""
	}
	return " : " + shorten(doc.ID, 64)
}

// noteHeader tells the tenant's channel of a new note, in the words of
// header('X-Notify: '.rawurlencode(json_encode(array(…))), false).
func (v *visit) noteHeader(d dossier, text string) string {
	what, err := json.Marshal(map[string]any{
		"to": v.tenant.NoteChannel, "type": "note.added", "entity": fmt.Sprintf("dossier:%d", d.N),
		"text": fmt.Sprintf("Dossier %d, %s\n%s : %s", d.N, d.Title, v.who, shorten(text, maxQuoted)),
		"link": fmt.Sprintf("%s/dossiers/%d?onglet=notes", v.origin(), d.N),
	})
	if err != nil {
		return "" // strings always have a JSON form
	}
	return url.PathEscape(string(what))
}

// problem is what an answer says went wrong: the detail of an
// application/problem+json document (RFC 9457), or its first line.
func problem(body []byte) string {
	var doc struct{ Title, Detail string }
	if json.Unmarshal(body, &doc) == nil {
		if doc.Detail != "" {
			return doc.Detail
		}
		if doc.Title != "" {
			return doc.Title
		}
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if line == "" {
		return "sans explication."
	}
	return shorten(line, 200)
}
