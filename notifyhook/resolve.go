package notifyhook

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

const (
	cacheSize    = 1 << 16
	knownFor     = time.Hour
	goneFor      = time.Hour       // a person who is not in the workspace
	noChannelFor = 5 * time.Minute // a channel is soon made by whoever reads the error
	resumeFor    = 5 * time.Minute // a listing of channels that was cut short
	justNow      = time.Minute     // an answer so fresh that asking again would bring the same
	maxPages     = 50
)

// remembered is an answer of Slack's about a recipient: a value, or what was
// wrong.
type remembered struct {
	value string
	gone  string
	until time.Time
}

// Keys of what is remembered begin with the app and say what it is about, in the
// spelling of classify: a person's user id by their e-mail address, the
// conversation with a user, the id of a #channel.
func (a *app) userKey(address string) string { return a.name + ">" + address }
func (a *app) directKey(user string) string  { return a.name + "=" + user }
func (a *app) channelKey(name string) string { return a.name + name }

// recall returns what is remembered, if its time is not over.
func (r *Relay) recall(key string) (remembered, bool) {
	one, ok := r.cache.Get(key)
	if !ok || !r.now().Before(one.until) {
		return remembered{}, false
	}
	return one, true
}

// resolve finds the conversation of a recipient: an e-mail address by its user,
// a user by the conversation with the bot, a #channel by its name.
func (r *Relay) resolve(ctx context.Context, rt *route, to string) (string, outcome) {
	switch kind, same := classify(to); kind {
	case conversationID:
		return same, outcome{class: done}
	case emailRecipient:
		user, o := r.user(ctx, rt, same)
		if o.class != done {
			return "", o
		}
		return r.openDM(ctx, rt, user)
	case userID:
		return r.openDM(ctx, rt, same)
	case channelName:
		return r.channel(ctx, rt, same[1:])
	}
	return "", outcome{class: recipientGone, reason: "unknown_recipient_form"}
}

// ask answers from memory or else asks Slack, and remembers what is lasting.
func (r *Relay) ask(ctx context.Context, key, method string, slackCall func(context.Context) (string, error)) (string, outcome) {
	if one, ok := r.recall(key); ok {
		if one.gone != "" {
			return "", outcome{class: recipientGone, reason: one.gone}
		}
		return one.value, outcome{class: done}
	}
	value, err := slackCall(ctx)
	o := lookupOutcome(method, err)
	switch o.class {
	case done:
		r.cache.Add(key, remembered{value: value, until: r.now().Add(knownFor)})
	case recipientGone:
		r.cache.Add(key, remembered{gone: o.reason, until: r.now().Add(goneFor)})
	}
	return value, o
}

// lookupOutcome is outcomeOf for a look-up: what is wrong with its arguments is
// wrong with the recipient.
func lookupOutcome(method string, err error) outcome {
	o := outcomeOf(method, err)
	if o.class == badContent {
		o.class = recipientGone
	}
	return o
}

// openDM finds the conversation with a user. An app without im:write posts to
// the user's id instead, which Slack allows; that id is then the conversation.
func (r *Relay) openDM(ctx context.Context, rt *route, user string) (string, outcome) {
	return r.ask(ctx, rt.app.directKey(user), openConversation, func(ctx context.Context) (string, error) {
		conversation, err := rt.app.openDM(ctx, user)
		if cannotOpen(err) {
			return user, nil
		}
		return conversation, err
	})
}

func cannotOpen(err error) bool {
	if status, ok := errors.AsType[slack.StatusCodeError](err); ok {
		return status.Code == http.StatusNotFound || status.Code == http.StatusMethodNotAllowed
	}
	answer, ok := errors.AsType[slack.SlackErrorResponse](err)
	return ok && (answer.Err == "missing_scope" || answer.Err == "unknown_method" || answer.Err == "method_not_supported_for_channel_type")
}

// channel finds a channel by its name. Slack has no call for that but listing
// them all, so every name on the way is remembered, and a listing that is cut
// short (rate limit, too many pages for one lease) is taken up where it was.
func (r *Relay) channel(ctx context.Context, rt *route, name string) (string, outcome) {
	key := func(name string) string { return rt.app.channelKey("#" + name) }
	if one, ok := r.recall(key(name)); ok && one.gone == "" {
		return one.value, outcome{class: done}
	} else if ok {
		return "", outcome{class: recipientGone, reason: one.gone}
	}
	listing := rt.app.name + "…" + name
	begun, _ := r.recall(listing)
	cursor, types := begun.value, []string{"public_channel", "private_channel"}
	for range maxPages {
		page, next, err := rt.app.channels(ctx, cursor, types)
		o := lookupOutcome(listConversations, err)
		if o.reason == "missing_scope" && len(types) > 1 { // without groups:read the public ones are still to be had
			types = types[:1]
			continue
		}
		if o.reason == "invalid_cursor" {
			r.cache.Remove(listing)
		}
		if o.class != done {
			return "", o
		}
		for other, id := range page {
			r.cache.Add(key(other), remembered{value: id, until: r.now().Add(knownFor)})
		}
		if id, ok := page[name]; ok {
			return id, outcome{class: done}
		}
		if next == "" {
			r.cache.Remove(listing)
			r.cache.Add(key(name), remembered{gone: "channel_not_found", until: r.now().Add(noChannelFor)})
			return "", outcome{class: recipientGone, reason: "channel_not_found"}
		}
		cursor = next
		r.cache.Add(listing, remembered{value: cursor, until: r.now().Add(resumeFor)})
	}
	return "", outcome{class: transient, method: listConversations, reason: "channel_list_long"}
}

// lookAgain comes after a refusal to post to what a recipient was found to be:
// what was remembered of it is dropped, and an address is looked up once more,
// once. It returns the conversation if that is another one by now, and else the
// outcome: the refusal, or why to ask later.
func (r *Relay) lookAgain(ctx context.Context, c claim, refused outcome) (conversation string, o outcome) {
	r.forget(c.route, c.to)
	if kind, _ := classify(c.to); kind != emailRecipient || c.before.refused > 0 {
		return "", refused
	}
	conversation, o = r.resolve(ctx, c.route, c.to)
	switch {
	case o.class == done && conversation != c.conversation:
		return conversation, o
	case o.class == throttled, o.class == held, o.class == transient:
		return "", o
	}
	return "", refused
}

// forget drops what was remembered of a recipient that Slack refuses to post to,
// but what was asked just now, since many may wait for one person.
func (r *Relay) forget(rt *route, to string) {
	kind, same := classify(to)
	switch kind {
	case emailRecipient:
		if one, ok := r.recall(rt.app.userKey(same)); ok {
			r.drop(rt.app.directKey(one.value))
			r.cache.Remove(localeKey(rt, one.value))
		}
		r.drop(rt.app.userKey(same))
	case userID:
		r.drop(rt.app.directKey(same))
		r.cache.Remove(localeKey(rt, same))
	case channelName:
		r.drop(rt.app.channelKey(same))
	}
}

func (r *Relay) drop(key string) {
	if one, ok := r.recall(key); ok && one.gone == "" && one.until.Before(r.now().Add(knownFor-justNow)) {
		r.cache.Remove(key)
	}
}

// PersonChanged drops what is remembered of a Slack user, of the addresses that
// led to them, and of those that led to nobody and may be theirs now. host is a
// route of the app that Slack told it to; an unknown one is ignored.
func (r *Relay) PersonChanged(host, user string) {
	rt := r.routes()[host]
	if rt == nil {
		return
	}
	r.cache.Remove(rt.app.name + "=" + user)
	r.cache.Remove(localeKey(rt, user))
	for _, key := range r.cache.Keys() {
		if !strings.HasPrefix(key, rt.app.name+">") {
			continue
		}
		if one, ok := r.cache.Peek(key); ok && (one.gone != "" || one.value == user) {
			r.cache.Remove(key)
		}
	}
	for _, key := range r.said.Keys() { // whole answers, of whom is in there
		if one, ok := r.said.Peek(key); ok && strings.HasPrefix(key, rt.app.name+">") && strings.Contains(one.value, user) {
			r.said.Remove(key)
		}
	}
}
