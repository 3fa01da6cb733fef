package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

// busyProgram is a program after a sign-in, a notification and what is refused of both.
func busyProgram(t *testing.T) *program {
	t.Helper()
	o := newOffice(t, "./data")
	const token = "ck_office_0123456789abcdef"
	o.config += "    notify: {bearer_tokens: [" + token + "]}\n"
	p, _ := o.start("0")
	c := customers[0]
	m := o.member(p, c.people[0].ID)
	get := func(path string) {
		t.Helper()
		resp, err := m.Get(o.origin + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	get("/")
	get("/.gateway/there-is-no-such-page")
	notify := func(token, form string) {
		t.Helper()
		req, err := http.NewRequest("POST", o.origin+"/.gateway/v1/notifications", strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := m.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	for _, form := range []string{"to=" + c.people[1].ID + "&text=hello&key=k1", "to=" + c.people[1].ID + "&text=hello&key=k1", "to=nobody"} {
		notify(token, form)
	}
	notify("a-stranger's", "")
	for end := time.Now().Add(20 * time.Second); !strings.Contains(scrape(t, p), `cocoom_gateway_deliveries_total{result="sent"`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing was sent")
		}
	}
	return p
}

// scrape is what Prometheus reads.
func scrape(t *testing.T, p *program) string {
	t.Helper()
	resp, err := http.Get("http://" + p.admin.addr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("/metrics answered %d, %v", resp.StatusCode, err)
	}
	return string(body)
}

// metric is one as its description says.
type metric struct {
	Name, Help string
	Labels     []string
}

var descForm = regexp.MustCompile(`^Desc\{fqName: ("(?:[^"\\]|\\.)*"), help: ("(?:[^"\\]|\\.)*"),(?: unit: "[^"]*",)? constLabels: \{(.*?)\}, variableLabels: \{(.*?)\}`)

// described lists every metric of ours that a program may ever show.
func described(t *testing.T, p *program) []metric {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() { p.registry.Describe(descs); close(descs) }()
	byName := map[string]metric{}
	for d := range descs {
		part := descForm.FindStringSubmatch(d.String())
		if part == nil {
			t.Fatalf("a description that cannot be read: %s", d)
		}
		m := metric{}
		for text, to := range map[string]*string{part[1]: &m.Name, part[2]: &m.Help} {
			if err := json.Unmarshal([]byte(text), to); err != nil {
				t.Fatal(err)
			}
		}
		for _, label := range strings.Split(part[3], ",") {
			if name, _, ok := strings.Cut(label, "="); ok {
				m.Labels = append(m.Labels, name)
			}
		}
		if part[4] != "" {
			m.Labels = append(m.Labels, strings.Split(part[4], ",")...)
		}
		if strings.HasPrefix(m.Name, "cocoom_gateway_") {
			byName[m.Name] = m
		}
	}
	var list []metric
	for _, m := range byName {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b metric) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// TestMetricsReference: docs/metrics.md has every metric, as it describes itself.
func TestMetricsReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Metrics\n\nWhat `GET /metrics` on the operators' listener shows, besides Go's own (`go_…`) and the process's (`process_…`).\n" +
		"A series is there from the first time that it counts something. `route` is a configured host or empty: no request makes a new one.\n" +
		"This page is written by a test (`go test . -run TestMetricsReference -update`).\n\n| metric, of cocoom_gateway_ | labels | what |\n|---|---|---|\n")
	for _, m := range described(t, startProgram(t, "./data")) {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.TrimPrefix(m.Name, "cocoom_gateway_"), strings.Join(m.Labels, ", "), m.Help)
	}
	if *update {
		if err := os.WriteFile("docs/metrics.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("docs/metrics.md"); err != nil || string(got) != b.String() {
		t.Errorf("docs/metrics.md is not what the metrics say of themselves (%v); write it anew with -update", err)
	}
}

var (
	usedForm  = regexp.MustCompile(`\b(cocoom_gateway_[a-z_]+)(\{[^}]*\})?`)
	labelForm = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	groupForm = regexp.MustCompile(`\b(?:by|on|without)\s*\(([^)]*)\)`)
)

// TestDashboardAndAlerts: every metric and label that the dashboard and the alert
// rules name is there, and what they rest on is shown by a program that works.
func TestDashboardAndAlerts(t *testing.T) {
	p := busyProgram(t)
	shown, known := scrape(t, p), map[string][]string{}
	for _, m := range described(t, p) {
		for _, end := range []string{"", "_bucket", "_sum", "_count"} {
			known[m.Name+end] = m.Labels
		}
	}
	rare := []string{"alarm", "streams_open", "store_write_failures_total", "certificate_expiry_timestamp_seconds"} // a program that is well has none
	given := []string{"instance", "le", "job"}
	for _, file := range []string{"docs/grafana/cocoom-gateway.json", "docs/prometheus/alerts.yaml"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(raw), `\"`, `"`)
		all := given
		for _, used := range usedForm.FindAllStringSubmatch(text, -1) {
			name := used[1]
			labels, ok := known[name]
			if !ok {
				t.Errorf("%s uses %s, which there is not", file, name)
				continue
			}
			all = append(all, labels...)
			if !strings.Contains(shown, "\n"+name) && !slices.Contains(rare, strings.TrimPrefix(name, "cocoom_gateway_")) {
				t.Errorf("%s uses %s, which a busy program does not show", file, name)
			}
			for _, label := range labelForm.FindAllStringSubmatch(used[2], -1) {
				if !slices.Contains(labels, label[1]) && !slices.Contains(given, label[1]) {
					t.Errorf("%s uses %s with the label %s, which it has not", file, name, label[1])
				}
			}
		}
		for _, group := range groupForm.FindAllStringSubmatch(text, -1) {
			for _, label := range strings.Split(group[1], ",") {
				if label = strings.TrimSpace(label); !slices.Contains(all, label) {
					t.Errorf("%s groups by %s, which no metric has", file, label)
				}
			}
		}
	}
	var dashboard struct{ Panels []struct{ Title string } }
	if raw, err := os.ReadFile("docs/grafana/cocoom-gateway.json"); err != nil || json.Unmarshal(raw, &dashboard) != nil || len(dashboard.Panels) < 20 {
		t.Errorf("the dashboard cannot be read: %v", err)
	}
}

// TestAlertRules: Prometheus takes the rules, their tests hold, and a scrape is
// as it should be.
func TestAlertRules(t *testing.T) {
	promtool := need(t, "promtool")
	check := func(in string, args ...string) {
		t.Helper()
		cmd := exec.Command(promtool, args...)
		cmd.Dir, cmd.Stdin = "docs/prometheus", strings.NewReader(in)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, said)
		}
	}
	check("", "check", "rules", "alerts.yaml")
	check("", "test", "rules", "alerts_test.yaml")
	check("", "check", "config", "--syntax-only", "scrape.yaml")
	check(scrape(t, busyProgram(t)), "check", "metrics")
}
