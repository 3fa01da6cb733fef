// Package admin is the operators' listener: whether the gateway lives, whether
// it is ready, what waits in its queue, and who is signed in. Whoever reaches it
// may do all that it offers, but for break-glass links.
package admin

import (
	"context"
	"log/slog"
	"net/http"
	"os"

	"github.com/cocoom/cocoom-gateway/gateway"
	"github.com/cocoom/cocoom-gateway/internal/doctor"
	"github.com/cocoom/cocoom-gateway/notifyhook"
)

// Config is what the listener shows.
type Config struct {
	Ready   []Check
	Relay   *notifyhook.Relay
	Gateway *gateway.Gateway
	Keys    Keys
	// Configuration says which one is in force; nil: nobody knows.
	Configuration func() Configuration
	// Reload reads the configuration again, and puts it in force unless it is only
	// to be tried; the error may be a *configs.Error, and nothing has changed then.
	Reload func(ctx context.Context, dryRun bool) (Reloaded, error)
	// Doctor makes an examination of the running gateway.
	Doctor func() *doctor.Doctor
	Backup func(ctx context.Context) (*os.File, error) // a copy of the store, to read and close; nil: it has its own tools
	Log    *slog.Logger
}

// New gives what operators ask for. Three answer whoever asks:
//
//	GET /livez    200 as long as the process answers
//	GET /readyz   200, or 503 with what is wrong
//	GET /status   deliveries by state and what needs an operator, as JSON
//
// The rest is for programs, such as the commands of this one: it refuses
// browsers, and what is asked by a name other than localhost.
//
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
//	                          ?key=, ?to=, ?status= and ?since=, at most ?limit= from ?cursor= on
//	GET  /notifications/ID    one of them and why, in sentences: a notifyhook.Explained
//	POST /notifications/replay sends what failed again: a Replay, answered by notifyhook.Replays
//	POST /backup              a copy of the SQLite store as it is now, for programs on this machine
//	                          alone: an Operator, answered by the file
//	POST /doctor              examines the gateway and its routes: an Examine, answered by a doctor.Event a line
//	POST /doctor/live         examines one by what Slack leaves open: an ExamineLive, answered likewise
//	POST /reload              reads the configuration again: a Reload, answered by Reloaded
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
	programs := http.NewServeMux()
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
	programs.Handle("POST /notifications/replay", post(cfg, cfg.replay))
	programs.Handle("POST /backup", fromThisMachine(http.HandlerFunc(cfg.backup)))
	programs.Handle("POST /doctor", lines(cfg, cfg.examine))
	programs.Handle("POST /doctor/live", lines(cfg, cfg.examineLive))
	programs.Handle("POST /reload", post(cfg, cfg.reload))
	programs.Handle("POST /break-glass", fromThisMachine(post(cfg, cfg.breakGlass)))

	programs.Handle("GET /setup", get(cfg, cfg.setupStatus))
	programs.Handle("POST /setup", fromThisMachine(post(cfg, cfg.makeSetup)))
	programs.Handle("POST /setup/revoke", fromThisMachine(post(cfg, cfg.revokeSetup)))
	programs.Handle("POST /setup/reset", fromThisMachine(post(cfg, cfg.resetSetup)))
	programs.Handle("POST /setup/token", fromThisMachine(post(cfg, cfg.newHookToken)))

	mux := probes(cfg.Ready, error.Error)
	mux.HandleFunc("GET /status", cfg.status)
	mux.Handle("/", fromPrograms(programs))
	return mux
}
