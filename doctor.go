package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/doctor"
)

const (
	// fewRoutes is up to how many what is good is printed, too.
	fewRoutes = 20
	// progressEvery is how often a long examination says how far it is.
	progressEvery = 5 * time.Second
	maxEvent      = 1 << 20 // bytes of one line of an examination
)

// examination is the command line of doctor.
type examination struct {
	at             listenerFlags
	json, all      bool
	live, message  string // host; Slack user id
	noBrowser      bool
	by             admin.Operator
	listener       func() (operators, error) // finds the operators' listener
	getenv         func(string) string
	in             io.Reader
	stdout, stderr io.Writer
}

func doctorCommand(getenv func(string) string) *cobra.Command {
	e := examination{getenv: getenv, by: asker(getenv)}
	cmd := &cobra.Command{
		Use:   "doctor [HOST…]",
		Short: "Try what each route needs: DNS, TLS, Slack app, upstream, state",
		Long: "doctor says in a line each what works (✓), what does not (✗), what soon may not (!) and what cannot be told (?),\n" +
			"and what to do about it. It changes nothing. The running gateway looks, through its operators' listener; where\n" +
			"none runs, doctor looks by the configuration file itself. Of more than 20 routes it prints only what is not\n" +
			"good, unless with --all.\n\n" +
			"It exits with 0 if nothing is wrong, and 1 if something is.\n\n" +
			"--live HOST finds out, once, by a route that works, what Slack's documentation leaves open: it makes calls that\n" +
			"Slack must refuse, has you sign in and answer yes or no, and prints a report without secrets to send back.",
		Example: "  cocoom-gateway doctor -c gateway.yaml\n" +
			"  cocoom-gateway doctor agrafmania.cocoom.com --json\n" +
			"  cocoom-gateway doctor --live agrafmania.cocoom.com --message U0LEA",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, hosts []string) error {
			e.listener = func() (operators, error) { return e.at.listener(cmd) }
			e.in, e.stdout, e.stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			if e.live != "" && len(hosts) > 0 {
				return errors.New("--live HOST looks at that one route: name no other")
			}
			if e.live == "" && (e.message != "" || e.noBrowser) {
				return errors.New("--message and --no-browser go with --live")
			}
			if e.live != "" {
				return e.liveReport(cmd.Context())
			}
			return e.examine(cmd.Context(), hosts)
		},
	}
	configFlag(cmd, &e.at.file)
	e.at.addAddress(cmd, getenv)
	f := cmd.Flags()
	f.BoolVar(&e.json, "json", false, "print JSON")
	f.BoolVar(&e.all, "all", false, "print what is good, too, however many routes there are")
	f.StringVar(&e.live, "live", "", "find out by this route what Slack's documentation leaves open; its `host`")
	f.StringVar(&e.message, "message", "", "with --live: the Slack `user` id of whom a test message may be sent to, such as your own")
	f.BoolVar(&e.noBrowser, "no-browser", false, "with --live: nobody is there to sign in or to answer")
	return cmd
}

// run has the running gateway examine, or does it here.
func (e *examination) run(ctx context.Context, path string, in any, here func(*doctor.Doctor, func(doctor.Event)) error, say func(doctor.Event) error) (by string, err error) {
	address, err := e.listener()
	if err != nil {
		return "", err
	}
	first := true
	err = address.events(ctx, path, in, func(event doctor.Event) error {
		if first {
			first = false
			if err := e.fileMistakes(say); err != nil {
				return err
			}
		}
		return say(event)
	})
	if !errors.Is(err, errNoGateway) {
		return "gateway", err
	}
	cfg, err := load(e.at.file, e.getenv, e.stderr)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(e.stderr, "No gateway answers at %s: this is how it looks from here, by %s.\n", address, e.at.file)
	d, done := beside(ctx, cfg)
	var failed error
	err = here(d, func(event doctor.Event) { failed = errors.Join(failed, say(event)) })
	return "file", errors.Join(err, failed, done())
}

// fileMistakes tells what is wrong with the file while a gateway runs by it, or
// by what it was before. It is a warning: the secrets that the file names may be
// there for the gateway alone.
func (e *examination) fileMistakes(say func(doctor.Event) error) error {
	if e.at.address != "" {
		return nil
	}
	_, err := configs.Load(e.at.file, e.getenv)
	var mistakes *configs.Error
	if !errors.As(err, &mistakes) {
		return err
	}
	for _, m := range mistakes.Mistakes {
		err = say(doctor.Event{Finding: &doctor.Finding{Check: "file", Result: doctor.Warning, Text: m.String(),
			Remedy: "mend it, unless it is about a secret that the gateway alone may read: it would not start again by this file"}})
		if err != nil {
			return err
		}
	}
	return nil
}

// events makes one request and hands on what is told, a line each.
func (o operators) events(ctx context.Context, path string, in any, say func(doctor.Event) error) error {
	resp, err := o.open(ctx, http.MethodPost, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEvent)
	if resp.StatusCode != http.StatusOK {
		return o.refusal(resp)
	}
	for lines.Scan() {
		var line struct {
			doctor.Event
			admin.ExamineFailed
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("what answers at %s is no operators' listener of a gateway of this version", o)
		}
		if line.Error != "" {
			return errors.New(line.Error)
		}
		if err := say(line.Event); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("ask %s: %w", o, err)
	}
	return nil
}

// examined is what --json prints.
type examined struct {
	By       string           `json:"by"` // who looked: "gateway", or "file" where none runs
	Summary  doctor.Summary   `json:"summary"`
	Findings []doctor.Finding `json:"findings"`
}

func (e *examination) examine(ctx context.Context, hosts []string) error {
	out := examined{Findings: []doctor.Finding{}}
	next, all, ended := time.Now().Add(progressEvery), e.all, false
	by, err := e.run(ctx, "/doctor", admin.Examine{Operator: e.by, Hosts: hosts},
		func(d *doctor.Doctor, say func(doctor.Event)) error { return d.Run(ctx, hosts, say) },
		func(event doctor.Event) error {
			all = all || event.Routes > 0 && event.Routes <= fewRoutes
			switch f := event.Finding; {
			case f != nil:
				out.Summary.Add(*f)
				if e.json {
					out.Findings = append(out.Findings, *f)
				} else if all || f.Result != doctor.OK {
					printFinding(e.stdout, *f)
				}
			case event.Summary != nil:
				out.Summary.Routes, ended = event.Summary.Routes, true
			case event.Looked > 0 && time.Now().After(next):
				next = time.Now().Add(progressEvery)
				fmt.Fprintf(e.stderr, "%d of %s looked at\n", event.Looked, plural(event.Routes, "route"))
			}
			return nil
		})
	switch {
	case err != nil:
		return err
	case !ended:
		return errors.New("the examination did not come to its end")
	}
	if out.By = by; e.json {
		err = printJSON(e.stdout, out)
	} else {
		s := out.Summary
		_, err = fmt.Fprintf(e.stdout, "%s: %d ✓, %d ✗, %d !, %d ?\n", plural(s.Routes, "route"), s.OK, s.Wrong, s.Warning, s.Unknown)
	}
	if err == nil && out.Summary.Wrong > 0 {
		return exitCode(1)
	}
	return err
}

// printFinding writes one line, which a terminal shows as a paragraph.
func printFinding(w io.Writer, f doctor.Finding) {
	sign := map[doctor.Result]string{doctor.OK: "✓", doctor.Wrong: "✗", doctor.Warning: "!"}
	line := fmt.Sprintf("%s %s  %s: %s", cmp.Or(sign[f.Result], "?"), cmp.Or(f.Route, "gateway"), f.Check, f.Text)
	if f.Remedy != "" {
		line += " → " + f.Remedy
	}
	if width := columns(w); width > 0 {
		line = fill(strings.Fields(line), width, "  ")
	}
	fmt.Fprintln(w, line)
}
