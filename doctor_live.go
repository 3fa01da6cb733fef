package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/cocoom/cocoom-gateway/internal/admin"
	"github.com/cocoom/cocoom-gateway/internal/doctor"
)

// liveReport makes a live examination and prints what came of it.
func (e *examination) liveReport(ctx context.Context) error {
	live := doctor.Live{Host: e.live, Browser: !e.noBrowser, Message: e.message}
	var report *doctor.Report
	var questions []doctor.Question
	_, err := e.run(ctx, "/doctor/live", admin.ExamineLive{Operator: e.by, Host: live.Host, Browser: live.Browser, Message: live.Message},
		func(d *doctor.Doctor, say func(doctor.Event)) error { return d.Live(ctx, live, say) },
		func(event doctor.Event) error {
			switch {
			case event.Open != "":
				fmt.Fprintf(e.stderr, "\nSign in here, in a private window, within ten minutes:\n  %s\n", event.Open)
			case event.Ask != nil:
				questions = append(questions, *event.Ask)
			case event.Report != nil:
				report = event.Report
			}
			return nil
		})
	switch {
	case err != nil:
		return err
	case report == nil:
		return errors.New("the examination did not come to its end")
	}
	report.Answers = e.answers(questions)
	if e.json {
		return printJSON(e.stdout, report)
	}
	text, err := yaml.Marshal(report)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	_, err = fmt.Fprintf(e.stdout, "# cocoom-gateway doctor --live. It holds names, numbers, yes and no; no secret, token, address or person.\nversion: %q\n%s", version(), text)
	return err
}

// answers asks the person at the terminal.
func (e *examination) answers(questions []doctor.Question) []doctor.Answer {
	list := []doctor.Answer{}
	lines := bufio.NewScanner(e.in)
	for _, q := range questions {
		fmt.Fprintf(e.stderr, "\n%s\n", q.Text)
		if q.Link != "" {
			fmt.Fprintf(e.stderr, "  %s\n", q.Link)
		}
		fmt.Fprint(e.stderr, "[y]es, [n]o, or Enter if you do not know: ")
		answer := "unknown"
		if lines.Scan() {
			switch said := strings.ToLower(strings.TrimSpace(lines.Text())); {
			case strings.HasPrefix(said, "y") || strings.HasPrefix(said, "o"): // yes, oui
				answer = "yes"
			case strings.HasPrefix(said, "n"):
				answer = "no"
			}
		}
		list = append(list, doctor.Answer{ID: q.ID, Answer: answer})
	}
	return list
}
