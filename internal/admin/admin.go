// Package admin is the operators' listener: whether the gateway lives, whether
// it is ready, what waits in its queue, and who is signed in; as pages for
// browsers and as JSON for programs, made by the same functions. Whoever reaches
// it, and has its token where there is one, may do all that it offers, but for
// break-glass links.
package admin

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/doctor"
	"github.com/cocoom/cocoom-gateway/internal/secret"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// Config is what the listener shows, and what it can have done.
type Config struct {
	Token   secret.String // what everybody must show; empty: nobody is asked
	Version string        // which build this is
	Log     *slog.Logger

	Gateway *gateway.Gateway
	Relay   *notifyhook.Relay
	Ready   []Check
	Keys    Keys
	Metrics Metrics

	// Configuration says which one is in force.
	Configuration func() Configuration
	// Reload reads the configuration again, and puts it in force unless it is only
	// to be tried; the error may be a *configs.Error, and nothing has changed then.
	// nil: it cannot be read again.
	Reload func(ctx context.Context, dryRun bool) (Reloaded, error)
	// Doctor makes an examination of the running gateway.
	Doctor func() *doctor.Doctor
	// CertificateAlarms are alarms of the kind "certificate"; nil: there are none.
	CertificateAlarms func() []Alarm
	// CertificateUntil is until when the one that a host is served with is good;
	// zero: it is not known. nil: it never is.
	CertificateUntil func(host string) time.Time
	// Backup gives a copy of the store, to read and close; nil: the store has tools
	// of its own.
	Backup func(ctx context.Context) (*os.File, error)
}

// New gives what operators ask for. Two answer whoever asks:
//
//	GET /livez    200, or 503 if a restart would help
//	GET /readyz   200, or 503 with what does not work; why, where there is no token and it
//	              is asked by an IP address or localhost
//
// All else asks for the token, where there is one: programs send it as
// Authorization: Bearer, browsers get a page for it. Where there is none, it must
// be asked by an IP address or localhost, so that no page of the web gets at it
// by having its own name lead here. /ui/ is the pages, see pages. Two are for
// whoever watches:
//
//	GET /status   deliveries by state, what needs an operator, which configuration
//	GET /metrics  for Prometheus
//
// The rest is for programs, such as the commands of this one, and refuses
// browsers:
//
//	GET  /configuration       which one is in force: a Configuration
//	GET  /routes              the routes and how they do, by host: a RouteList, by ?search= and ?show= (alarms,
//	                          login, notify, managed, maintenance), at most ?limit= from ?cursor= on
//	GET  /routes/HOST         one of them: a Route
//	GET  /alarms              what needs a person, and what to do: an AlarmList
//	GET  /audit               who did what, the newest first: an AuditTrail, by ?search=, at most ?limit= from ?cursor= on
//	GET  /keys                the public keys of assertions: a JSON object, key id to PEM
//	POST /keys/rotate         makes new keys, announced before they are used: an Operator
//	GET  /people              who somebody is: a Person, by ?host= and ?person=
//	POST /people/accept-email lets somebody back in whose pinned address changed: an AcceptEmail
//	POST /people/export       what is kept of a person: a PersonRequest, answered by PersonExport
//	POST /people/erase        removes it: a PersonRequest, answered by PersonErased
//	GET  /sessions            who is signed in: a SessionList, by ?route= and ?person=,
//	                          at most ?limit= from ?cursor= on
//	POST /sessions/revoke     ends sessions: a Revoke, answered by Revoked
//	GET  /notifications       what was asked for and what became of it, newest first: a notifyhook.Page, by ?route=,
//	                          ?key=, ?to=, ?status=, ?since= and ?until=, at most ?limit= from ?cursor= on
//	GET  /notifications/ID    one of them and why, in sentences: a notifyhook.Explained
//	GET  /notifications/failures what failed on a ?route= and was not replayed, by error: a Failures
//	POST /notifications/replay sends what failed again: a Replay, answered by notifyhook.Replays
//	POST /backup              a copy of the SQLite store as it is now, for programs on this machine
//	                          alone: an Operator, answered by the file
//	POST /doctor              examines the gateway and its routes: an Examine, answered by a doctor.Event a line
//	POST /doctor/live         examines one by what Slack leaves open: an ExamineLive, answered likewise
//	POST /reload              reads the configuration again: a Reload, answered by Reloaded
//	POST /notifications/cancel ends what is not on its way yet: a Cancel, answered by Cancelled
//	POST /break-glass         makes a link that signs one person in without Slack, for programs
//	                          on this machine alone: a BreakGlass, answered by a BreakGlassLink
//	GET  /setup               how far the set-up of a managed Slack app is: a SetupStatus, by ?host=
//
// and for programs on this machine alone, each with a Setup:
//
//	POST /setup               makes the link for the workspace's admin: answered by a SetupLink
//	POST /setup/revoke        makes it useless
//	POST /setup/reset         forgets the installed app and its workspace
//	POST /setup/token         makes another token for the notification API: answered by a HookToken
//
// The body of a POST is one JSON object, sent as application/json; what has no
// answer of its own is answered by {}. What is asked wrongly, refused, or cannot
// be done is answered by a Failure. Each POST says who asks, which the audit keeps.
func New(cfg Config) http.Handler {
	programs, keeper := http.NewServeMux(), newKeeper(cfg.Token, cfg.Log)
	programs.Handle("GET /configuration", get(cfg, cfg.configuration))
	programs.Handle("GET /routes", get(cfg, cfg.listRoutes))
	programs.Handle("GET /routes/{id}", item(cfg, cfg.showRoute))
	programs.Handle("GET /alarms", get(cfg, cfg.listAlarms))
	programs.Handle("GET /audit", get(cfg, cfg.listAudit))
	programs.Handle("GET /keys", get(cfg, cfg.keys))
	programs.Handle("POST /keys/rotate", post(cfg, cfg.rotate))
	programs.Handle("GET /people", get(cfg, cfg.person))
	programs.Handle("POST /people/accept-email", post(cfg, cfg.acceptEmail))
	programs.Handle("POST /people/export", post(cfg, cfg.exportPerson))
	programs.Handle("POST /people/erase", post(cfg, cfg.erasePerson))
	programs.Handle("GET /sessions", get(cfg, cfg.listSessions))
	programs.Handle("POST /sessions/revoke", post(cfg, cfg.revokeSessions))
	programs.Handle("GET /notifications", get(cfg, cfg.listNotifications))
	programs.Handle("GET /notifications/{id}", item(cfg, cfg.showNotification))
	programs.Handle("GET /notifications/failures", get(cfg, cfg.failures))
	programs.Handle("POST /notifications/replay", post(cfg, cfg.replay))
	programs.Handle("POST /notifications/cancel", post(cfg, cfg.cancel))
	programs.Handle("POST /backup", fromThisMachine(cfg.backups()))
	programs.Handle("POST /doctor", lines(cfg, cfg.examine))
	programs.Handle("POST /doctor/live", lines(cfg, cfg.examineLive))
	if cfg.Reload != nil {
		programs.Handle("POST /reload", post(cfg, cfg.reload))
	}
	programs.Handle("POST /break-glass", fromThisMachine(post(cfg, cfg.breakGlass)))

	programs.Handle("GET /setup", get(cfg, cfg.setupStatus))
	programs.Handle("POST /setup", fromThisMachine(post(cfg, cfg.makeSetup)))
	programs.Handle("POST /setup/revoke", fromThisMachine(post(cfg, cfg.revokeSetup)))
	programs.Handle("POST /setup/reset", fromThisMachine(post(cfg, cfg.resetSetup)))
	programs.Handle("POST /setup/token", fromThisMachine(post(cfg, cfg.newHookToken)))

	mux := probes(cfg.Ready, keeper.whyNot)
	mux.Handle("GET /status", keeper.readers(get(cfg, cfg.status)))
	mux.Handle("GET /metrics", keeper.readers(cfg.metrics()))
	mux.Handle(pagesPath, newPages(cfg, keeper))
	mux.Handle("GET /{$}", http.RedirectHandler(pagesPath, http.StatusSeeOther))
	mux.Handle("/", keeper.programs(programs))
	return logged(cfg.Log, forNobodyElse(bounded(mux)))
}

// whyNot is what /readyz says of a failed check. Where a token is asked for, others
// than operators may ask that, and so may a page that has its own name lead here.
func (k *keeper) whyNot(r *http.Request, err error) string {
	if k.asks() || !k.mayBeNamed(r) {
		return inShort(err)
	}
	return err.Error()
}
