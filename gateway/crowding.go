package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/cocoom/cocoom-gateway/internal/throttle"
)

const (
	// maxExchanges bounds the codes of a route that are at Slack at once: those of
	// strangers, and as many of browsers that were signed in before.
	maxExchanges = 32
	// maxInLine is how many of one network wait for that, an office of 300 with some
	// more, and lineTime for how long: 300 people who come in the same moment are all
	// at Slack within it, if that takes a second for each.
	maxInLine = 512
	lineTime  = 10 * time.Second
)

// A code that Slack does not know is no person's mistake: reloading the page that
// Slack led to sends the same state again, which goes no further. Whoever begins
// sign-ins by a script can make codes up, though, and Slack takes no more than 100
// exchanges a minute of an app for sure (openid.connect.token is of tier 4). So
// these have shares, for each route, which leave room for people.
var (
	exchangeBudget  = throttle.Budget{Burst: 60, PerMinute: 20} // of one client
	strangersBudget = throttle.Budget{Burst: 60, PerMinute: 30} // of all whose network has sent such codes lately
	newcomersBudget = throttle.Budget{Burst: 60, PerMinute: 30} // of all others
	// networkBudget is after how many a network has done so: it takes as many
	// networks as the newcomers have a minute, at once and for as long, to keep new
	// ones out.
	networkBudget = throttle.Budget{Burst: 12, PerMinute: 1}
)

// newcomers are all clients whose network has made up no codes lately.
const newcomers throttle.Who = "* new"

// share is something taken of a budget.
type share struct {
	of     throttle.Key
	budget throttle.Budget
}

// mayExchange lets a client have a code exchanged, if need be after a while; the
// refusal says why not, and then the code is still good. done must be called with
// what came of it: only codes that Slack does not know count.
func (g *Gateway) mayExchange(x *exchange, r *http.Request) (done func(error), no *refusal) {
	who, known := g.client(x, r)
	own := share{throttle.Key{What: countExchanges, Route: x.route.Host, Who: who}, exchangeBudget}
	room, from := throttle.Room{Name: x.route.Host, Inside: maxExchanges, Queue: maxInLine}, throttle.Network(x.client)
	if known {
		room.Name, from = room.Name+" known", who
	}
	if g.cfg.Throttle.Spent(own.of, own.budget) { // they need not wait to be told
		return nil, errTooManySignIns.heldBack(countExchanges, max(g.cfg.Throttle.Take(own.of, own.budget), time.Second))
	}
	ctx, cancel := context.WithTimeout(r.Context(), lineTime)
	defer cancel()
	leave, err := g.lines.Enter(ctx, room, from)
	if err != nil {
		return nil, errSlackBusy.because(fmt.Errorf("wait while %d codes are at Slack: %w", maxExchanges, err))
	}
	taken, no := g.takeShares(x, own, known)
	if no != nil {
		leave()
		return nil, no
	}
	return func(err error) {
		leave()
		if err != nil && asRefusal(err).code == errState.code {
			return
		}
		for _, one := range taken {
			g.cfg.Throttle.GiveBack(one.of, one.budget)
		}
	}, nil
}

// takeShares takes what a code costs that Slack does not know: of the client's own
// and, of a stranger, of what strangers have together. Who comes from where none
// such came from has a part in more than those who send them.
func (g *Gateway) takeShares(x *exchange, own share, known bool) (taken []share, no *refusal) {
	limits := g.cfg.Throttle
	if wait := limits.Take(own.of, own.budget); wait > 0 {
		return nil, errTooManySignIns.heldBack(countExchanges, wait)
	}
	if taken = append(taken, own); known {
		return taken, nil
	}
	network := share{throttle.Key{What: countNetworks, Route: x.route.Host, Who: throttle.Network(x.client)}, networkBudget}
	all := share{throttle.Key{What: countExchanges, Route: x.route.Host, Who: throttle.Everybody}, strangersBudget}
	if !limits.Spent(network.of, network.budget) && limits.Take(network.of, network.budget) == 0 {
		taken = append(taken, network)
		all.of.Who, all.budget = newcomers, newcomersBudget
	}
	if limits.Take(all.of, all.budget) == 0 {
		return append(taken, all), nil
	}
	// The network's is not given back: else those that send made-up codes would be
	// new again and again for as long as nothing is left for the new.
	limits.GiveBack(own.of, own.budget)
	return nil, errSlackBusy.because(fmt.Errorf("%s of all strangers", countExchanges))
}
