package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/cocoom/cocoom-gateway/internal/cocoomsim"
	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// demo is the whole of the demo: a gateway configured by a file like any other,
// a simulated Slack, and a small legacy app.
type demo struct {
	Port, SlackPort, AdminPort int
	State                      string // directory; empty: a temporary one, removed at the end

	upstream string        // an app to use instead of the demo's own; empty: none
	login    string        // the routes' login sections, as YAML; empty: as an old PHP app needs it
	idle     time.Duration // after which an unused session expires; 0: as configured

	log     *slog.Logger
	logFile *os.File
	slack   *slacksim.Server
	app     *cocoomsim.App
	appAt   net.Listener
	gateway *program
	setup   map[string]string // by host: the link by which a customer's Slack app is set up
}

func demoCommand(getenv func(string) string) *cobra.Command {
	var d demo
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the gateway with three customers, a simulated Slack and a small old app",
		Long: "demo runs a gateway, a Slack to sign in with and an old app behind it, all on this machine, and says what to\n" +
			"open in a browser. It runs until it is interrupted.",
		Example: "  cocoom-gateway demo",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.run(cmd.Context(), getenv, cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&d.Port, "port", 8080, "`port` of the gateway")
	cmd.Flags().IntVar(&d.SlackPort, "slack-port", 8081, "`port` of the simulated Slack")
	cmd.Flags().IntVar(&d.AdminPort, "admin-port", 9090, "`port` of the operators' listener")
	cmd.Flags().DurationVar(&d.idle, "idle", 0, "after how `long` without a page opened a session expires, such as 30s (default: 2h)")
	cmd.Flags().StringVar(&d.State, "state", "", "`directory` to keep between runs (default: a temporary one, removed at the end)")
	return cmd
}

// run starts everything, says on stdout what to open, and serves until ctx ends.
func (d *demo) run(ctx context.Context, getenv func(string) string, stdout io.Writer) (err error) {
	if d.State == "" {
		if d.State, err = os.MkdirTemp("", "cocoom-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(d.State)
	}
	defer func() { err = errors.Join(err, d.close()) }() // before the state is removed
	if err := d.start(ctx, getenv); err != nil {
		return err
	}
	d.welcome(stdout)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.gateway.run(ctx) })
	group.Go(func() error { return d.serveApp(ctx) })
	err = group.Wait()
	d.gateway = nil // run has closed it
	fmt.Fprintln(stdout, "\nStopped.")
	return err
}

// start binds every port and builds every part.
func (d *demo) start(ctx context.Context, getenv func(string) string) error {
	if err := os.MkdirAll(d.State, 0o700); err != nil {
		return err
	}
	var err error
	if d.logFile, err = os.OpenFile(filepath.Join(d.State, "gateway.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	d.log = slog.New(slog.NewJSONHandler(d.logFile, nil))
	quietLibraries(d.log)
	if d.appAt, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	if d.slack, err = slacksim.Listen(loopback(d.SlackPort), slacksim.Config{Log: d.log}); err != nil {
		return busy(err, "--slack-port", d.SlackPort)
	}
	file, err := d.writeConfig()
	if err != nil {
		return err
	}
	from := &source{path: file, getenv: getenv, every: lookEvery}
	cfg, err := from.read()
	if err != nil {
		return fmt.Errorf("load the demo's configuration: %w", err)
	}
	if d.idle > 0 {
		cfg.Session.Idle = d.idle
	}
	if d.gateway, err = start(ctx, cfg, d.log); err != nil {
		return busy(busy(err, "--port", d.Port), "--admin-port", d.AdminPort)
	}
	if d.idle == 0 { // a file cannot say what the flag may
		d.gateway.from(from)
	}
	for _, c := range customers {
		err := d.slack.AddWorkspace(c.workspace())
		if err == nil && !c.managed() {
			err = d.slack.AddApp(c.app(cfg.Origin(c.Host)))
		}
		if err != nil {
			return fmt.Errorf("fill the simulated Slack: %w", err)
		}
	}
	if err := d.invite(ctx); err != nil {
		return err
	}
	var tenants []cocoomsim.Tenant
	for _, c := range customers {
		tenants = append(tenants, c.tenant(cfg.Origin(c.Host)))
	}
	d.app, err = cocoomsim.New(cocoomsim.Config{Tenants: tenants, SignOutURL: "/logout.php", Log: d.log})
	return err
}

// writeConfig writes the configuration that an operator would, for the gateway
// to load and for people to read.
func (d *demo) writeConfig() (string, error) {
	if d.upstream == "" {
		d.upstream = "http://" + d.appAt.Addr().String()
	}
	var b bytes.Buffer
	err := demoConfig.Execute(&b, map[string]any{
		"Listen": loopback(d.Port), "Admin": loopback(d.AdminPort), "Slack": d.slack.URL(),
		"Upstream": d.upstream, "Login": cmp.Or(d.login, "{app_cookies: [PHPSESSID], sign_out_paths: [/logout.php]}"), "Customers": customers, "Templates": demoTemplates,
	})
	if err != nil {
		return "", err
	}
	file := filepath.Join(d.State, "demo.yaml")
	return file, os.WriteFile(file, b.Bytes(), 0o600)
}

var demoConfig = template.Must(template.New("demo.yaml").Parse(`# What the demo runs with. Every secret in here is the simulator's.
listen: "{{.Listen}}"
admin: "{{.Admin}}"
state: ./data
public_scheme: http
slack: {issuer: {{.Slack}}, api_url: {{.Slack}}/api/}
routes:
{{- range .Customers}}
  - host: {{.Host}}
    upstream: {{$.Upstream}}
{{- if .ClientID}}
    workspace: {{.Team}}
    workspace_name: {{.Name}}
    slack_app:
      client_id: "{{.ClientID}}"
      client_secret: {{.ClientSecret}}
      bot_token: {{.BotToken}}
      signing_secret: {{.SigningSecret}}
{{- else}}
    slack_app: {managed: true}
{{- end}}
    login: {{$.Login}}
    notify:
      bearer_tokens: [{{.HookToken}}]
      in_band: true
      hooks: [{id: alerts, tokens: [{{.AlertToken}}], to: "#general"}]
      templates: {{$.Templates}}
    policy:
      - {path: /assets/*, allow: public}
      - {path: /aide, allow: public}
      - {path: {{.Reserved}}, allow: {usergroups: [cocoom-admins]}}
      - {path: "/**", allow: members}
{{- end}}
`))

// demoTemplates are the wording of what happens to tasks.
const demoTemplates = `
        task.assigned:
          fr: "{{.by}} vous a assigné la tâche « {{.title}} » (dossier {{.dossier}}, {{.client}})."
          en: "{{.by}} assigned you the task “{{.title}}” (file {{.dossier}}, {{.client}})."
        task.closed:
          fr: "Tâche close par {{.by}} : « {{.title}} » (dossier {{.dossier}}, {{.client}})."
          en: "Task closed by {{.by}}: “{{.title}}” (file {{.dossier}}, {{.client}})."`

// serveApp serves the legacy app until ctx ends.
func (d *demo) serveApp(ctx context.Context) error {
	srv := &http.Server{Handler: d.app, ReadHeaderTimeout: 10 * time.Second}
	srv.RegisterOnShutdown(d.app.Close)
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(d.appAt); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the legacy app: %w", err)
	}
	return nil
}

// self is how to call this program again: as "go run ." where that has built it.
func self() string {
	if file, err := os.Executable(); err == nil && strings.Contains(file, "go-build") {
		return "go run ."
	}
	return "cocoom-gateway"
}

// close ends what is still open; each part may be missing.
func (d *demo) close() error {
	var errs []error
	if d.gateway != nil {
		errs = append(errs, d.gateway.close())
	}
	if d.app != nil {
		d.app.Close()
	}
	if d.appAt != nil {
		d.appAt.Close() // closed already after serveApp
	}
	if d.slack != nil {
		errs = append(errs, d.slack.Close())
	}
	if d.logFile != nil {
		errs = append(errs, d.logFile.Close())
	}
	return errors.Join(errs...)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func portOf(a net.Addr) int {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

// busy turns "address already in use" into what to do about it.
func busy(err error, flag string, port int) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "listen" && portOf(op.Addr) == port {
		return fmt.Errorf("port %d is not free; choose another with %s: %w", port, flag, err)
	}
	return err
}
