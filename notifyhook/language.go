package notifyhook

import (
	"context"
	"strings"
	"time"
)

const (
	french     = "fr"
	english    = "en"
	userInfo   = "users.info"    // https://docs.slack.dev/reference/methods/users.info
	localeWait = 5 * time.Minute // until a look-up that failed is tried again
)

// words are what the gateway itself says in a message.
type words struct{ seeMore string }

// wordsOf gives the words in a language; one that is not known is French.
func wordsOf(lang string) words {
	if lang == english {
		return words{seeMore: "See more"}
	}
	return words{seeMore: "Voir la suite"}
}

// audience finds out what the message to one recipient depends on. An outcome
// other than done says that Slack asked to wait with what must be known first.
//
// What cannot be found out otherwise is no reason to keep a message: who is
// mentioned is then shown by address, and told in the route's language.
func (r *Relay) audience(ctx context.Context, rt *route, q request, to string) (audience, outcome) {
	a := audience{lang: q.Lang, users: map[string]string{}}
	if a.lang != french && a.lang != english {
		if a.lang = rt.Lang; q.dependsOnLanguage() {
			a.lang = r.language(ctx, rt, to)
		}
	}
	for _, one := range q.Mentions {
		kind, same := classify(one)
		if kind != emailRecipient {
			continue
		}
		id, o := r.user(ctx, rt, same)
		switch o.class {
		case done:
			if kind, _ := classify(id); kind == userID {
				a.users[one] = id
			}
		case throttled, held:
			return a, o
		}
	}
	return a, outcome{class: done}
}

// dependsOnLanguage says whether the message may read otherwise in the other
// language; only then Slack is asked.
func (q request) dependsOnLanguage() bool {
	if q.Text == "" && q.Wording != nil && q.Wording.FR != "" && q.Wording.EN != "" {
		return true
	}
	text, _ := q.body("")
	const longest = 5 // what escaping makes of one character
	return q.Link != "" && size(text)*longest > maxMessageText-maxLink
}

// user finds the id behind an e-mail address.
func (r *Relay) user(ctx context.Context, rt *route, address string) (string, outcome) {
	return r.ask(ctx, rt.app.userKey(address), lookupByEmail, func(ctx context.Context) (string, error) { return rt.app.userByEmail(ctx, address) })
}

// language is that of a person's Slack, or the route's for channels, for other
// languages, and while Slack does not tell.
func (r *Relay) language(ctx context.Context, rt *route, to string) string {
	kind, id := classify(to)
	if kind == emailRecipient {
		id, _ = r.user(ctx, rt, id)
	} else if kind != userID {
		id = ""
	}
	if id == "" {
		return rt.Lang
	}
	locale, o := r.ask(ctx, localeKey(rt, id), userInfo, func(ctx context.Context) (string, error) { return rt.app.locale(ctx, id) })
	if o.class != done && o.class != recipientGone { // such as a missing scope: not once for every message
		r.cache.Add(localeKey(rt, id), remembered{until: r.now().Add(localeWait)})
	}
	switch lang, _, _ := strings.Cut(locale, "-"); lang {
	case french, english:
		return lang
	}
	return rt.Lang
}

func localeKey(rt *route, user string) string { return rt.app.name + "~" + user }

// locale returns the locale that a person has chosen in Slack, such as fr-FR.
func (a slackApp) locale(ctx context.Context, user string) (locale string, err error) {
	err = a.call(ctx, userInfo, func(ctx context.Context) error {
		info, err := a.api.GetUserInfoContext(ctx, user)
		if err == nil {
			locale = info.Locale
		}
		return err
	})
	return locale, err
}
