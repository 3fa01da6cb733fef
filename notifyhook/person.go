package notifyhook

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// someone is a person by every name and conversation that the store has of them.
type someone struct {
	route string
	names []string // in the one spelling of classify
	lanes []string // of their conversations with the app
}

// someone finds out by what else a person is known: the user whom Slack said an
// address is, and the direct conversation that deliveries to them went to. From
// an address alone it goes to the latest such conversation only: the address may
// have been another person's before.
func (r *Relay) someone(ctx context.Context, host string, names []string) (someone, error) {
	who := someone{route: host}
	for _, name := range names {
		if kind, same := classify(name); kind == emailRecipient || kind == userID {
			who.add(same)
		}
	}
	if rt := r.routes()[host]; rt != nil {
		for i := 0; i < len(who.names); i++ { // an address adds its user behind it
			if one, ok := r.recall(rt.app.userKey(who.names[i])); ok && one.gone == "" {
				who.add(one.value)
			}
			if one, ok := r.recall(rt.app.directKey(who.names[i])); ok && one.gone == "" {
				who.lanes = append(who.lanes, rt.app.conversation(one.value).lane)
			}
		}
	}
	for i := 0; i < len(who.names); i++ {
		lanes, err := r.conversationsOf(ctx, host, who.names[i])
		if err != nil {
			return who, fmt.Errorf("find conversations: %w", err)
		}
		who.lanes = append(who.lanes, lanes...)
		for _, lane := range lanes {
			if err := r.userOf(ctx, &who, lane); err != nil {
				return who, fmt.Errorf("find user: %w", err)
			}
		}
	}
	slices.Sort(who.lanes)
	who.lanes = slices.Compact(who.lanes)
	return who, nil
}

func (w *someone) add(name string) {
	if !slices.Contains(w.names, name) {
		w.names = append(w.names, name)
	}
}

// conversationsOf lists the lanes of direct conversations that deliveries to a
// recipient have gone to: all for a user id, which is nobody else's ever.
func (r *Relay) conversationsOf(ctx context.Context, host, recipient string) ([]string, error) {
	limit := 1000
	if kind, _ := classify(recipient); kind == emailRecipient {
		limit = 1
	}
	rows, err := r.store.Read().QueryContext(ctx, `SELECT lane FROM delivery WHERE route = $1 AND recipient = $2 AND lane LIKE '%/%'
		GROUP BY lane ORDER BY MAX(seq) DESC LIMIT $3`, host, recipient, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var lane string
		if err := rows.Scan(&lane); err != nil {
			return nil, err
		}
		if isDirect(conversationOf(lane)) {
			list = append(list, lane)
		}
	}
	return list, rows.Err()
}

// userOf adds the user id by which the app has addressed a direct conversation
// as well.
func (r *Relay) userOf(ctx context.Context, who *someone, lane string) error {
	rows, err := r.store.Read().QueryContext(ctx, `SELECT DISTINCT recipient FROM delivery WHERE route = $1 AND lane = $2`, who.route, lane)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var to string
		if err := rows.Scan(&to); err != nil {
			return err
		}
		if kind, _ := classify(to); kind == userID {
			who.add(to)
		}
	}
	return rows.Err()
}

// conversationOf is the Slack conversation of a lane that has one (see
// app.conversation), else empty.
func conversationOf(lane string) string {
	app, conversation, _ := strings.Cut(lane, "/")
	if strings.ContainsAny(app, ">@") { // a recipient's, in whose address a / may stand
		return ""
	}
	return conversation
}

// of is the condition on rows of the table delivery d, and its arguments, the
// first of which, $1, is the route.
func (w someone) of() (string, params) {
	args := params{w.route}
	term := `d.route = $1 AND (d.recipient IN (` + addAll(&args, w.names) + `)`
	if len(w.lanes) > 0 {
		term += ` OR d.lane IN (` + addAll(&args, w.lanes) + `)`
	}
	return term + `)`, args
}

// is says whether a recipient, an actor or a conversation is the person.
func (w someone) is(name string) bool {
	_, same := classify(name)
	return same != "" && (slices.Contains(w.names, same) || slices.ContainsFunc(w.lanes, func(lane string) bool { return conversationOf(lane) == same }))
}

// mayBeIn says whether a request could name the person; it is quick.
func (w someone) mayBeIn(request string) bool {
	request = strings.ToLower(request)
	holds := func(name string) bool {
		return strings.Contains(request, strings.ToLower(strings.Trim(string(quote(name)), `"`)))
	}
	return slices.ContainsFunc(w.names, holds) || slices.ContainsFunc(w.lanes, func(lane string) bool { return holds(conversationOf(lane)) })
}

// lists are the members of a request that name people, besides its actor.
var lists = [...]string{"to", "fallback", "mentions"}

// keep gives a request with those people only for whom wanted says so: its
// actor, and who stands in its lists. Texts stay as they are. It reports whether
// somebody was left out.
func keep(request string, wanted func(name string) bool) (fields map[string]json.RawMessage, less bool, err error) {
	if err := json.Unmarshal([]byte(request), &fields); err != nil {
		return nil, false, fmt.Errorf("read request: %w", err)
	}
	for _, key := range lists {
		list := listOf(fields, key)
		n := len(list)
		if list = slices.DeleteFunc(list, func(name string) bool { return !wanted(name) }); len(list) < n {
			fields[key], less = quote(list), true
		}
	}
	if actor := actorOf(fields); actor != "" && !wanted(actor) {
		delete(fields, "actor")
		less = true
	}
	return fields, less, nil
}

// listOf is a list of a request; nil for what is none.
func listOf(fields map[string]json.RawMessage, key string) (list []string) {
	if json.Unmarshal(fields[key], &list) != nil {
		return nil
	}
	return list
}

// actorOf is a request's actor, or "".
func actorOf(fields map[string]json.RawMessage) (actor string) {
	if json.Unmarshal(fields["actor"], &actor) != nil {
		return ""
	}
	return actor
}
