package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/cocoom/cocoom-gateway/internal/doctor"
)

// examinedOffice is an office whose gateway runs where its public address says.
func examinedOffice(t *testing.T) (o *office, p *program, stop func()) {
	t.Helper()
	o = newOffice(t, filepath.Join(t.TempDir(), "data"))
	p, stop = o.start(o.origin[strings.LastIndexByte(o.origin, ':')+1:])
	return o, p, stop
}

// TestDoctor: the running gateway looks, and where none runs the command does;
// the exit code says whether something is wrong.
func TestDoctor(t *testing.T) {
	c := customers[0]
	o, p, stop := examinedOffice(t)
	at := "--admin=" + p.admin.addr()
	said := command(t, "doctor", at)
	for _, line := range []string{"✓ gateway  database: SQLite", "✓ " + c.Host + "  public: requests arrive here\n", "✓ " + c.Host + "  scopes: all that are needed\n", "\n1 route: 18 ✓, 0 ✗, 0 !, 0 ?\n"} {
		if !strings.Contains(said, line) {
			t.Errorf("it does not say %q, but\n%s", line, said)
		}
	}
	if _, errs := exits(t, 1, "doctor", at, "nobody.localhost"); errs != "cocoom-gateway: no route has the host nobody.localhost\n" {
		t.Errorf("of a host without a route it says %s", errs)
	}
	if err := o.slack.RevokeToken(c.BotToken); err != nil {
		t.Fatal(err)
	}
	said, _ = exits(t, 1, "doctor", at, c.Host)
	if !strings.Contains(said, "✗ "+c.Host+"  bot: Slack refuses the bot token: token_revoked → install the Slack app") {
		t.Errorf("after the token was revoked it says\n%s", said)
	}
	o.noSecret(said)

	stop()
	said, errs := exits(t, 1, "doctor", "-c", o.file("0"), "--admin", p.admin.addr())
	if !strings.HasPrefix(errs, "No gateway answers at ") || !strings.Contains(said, "✗ "+c.Host+"  public: ") || !strings.Contains(said, "the master key opens all 3 rings") {
		t.Errorf("without a gateway it says\n%s%s", errs, said)
	}
	o.noSecret(said + errs)
}

// noSecret fails if text holds one of the route's.
func (o *office) noSecret(text string) {
	o.t.Helper()
	c := customers[0]
	for _, secret := range []string{c.ClientSecret, c.BotToken, c.SigningSecret, "MDEyMzQ1Njc4OWFi", "xoxp-", "xoxb-", "eyJ", "hunter2"} {
		if strings.Contains(text, secret) {
			o.t.Errorf("%s is in\n%s", secret, text)
		}
	}
}

// TestDoctorJSON holds the form that programs read.
func TestDoctorJSON(t *testing.T) {
	_, p, _ := examinedOffice(t)
	said := command(t, "doctor", "--json", "--admin="+p.admin.addr())
	golden, err := os.ReadFile("testdata/doctor.json")
	if err != nil {
		t.Fatal(err)
	}
	// What differs from run to run: ports, sizes and times.
	for from, to := range map[string]string{`:\d{4,5}`: ":PORT", `\d+(\.\d+)? [KMGT]iB`: "SIZE", `SQLite [\d.]+`: "SQLite VERSION", `after [\d.]+[mµ]?s`: "after TIME", `in use for \d+s`: "in use for TIME", `within \d+s`: "within TIME"} {
		said = regexp.MustCompile(from).ReplaceAllString(said, to)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/doctor.json", []byte(said), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if said != string(golden) {
		t.Errorf("it says\n%s\nwant testdata/doctor.json (UPDATE=1 writes it)", said)
	}
}

// TestDoctorBeside: what can be told where no gateway has ever run, and where the
// database does not answer; nothing is made, and no password is said.
func TestDoctorBeside(t *testing.T) {
	for name, row := range map[string]struct {
		state string
		want  []string
	}{
		"nothing yet":            {"./data", []string{"! gateway  disk: the state directory", "! gateway  database: there is no database yet", "? gateway  alarms: "}},
		"PostgreSQL unreachable": {"postgres://cocoom:hunter2@127.0.0.1:1/cocoom", []string{"✗ gateway  database: the store cannot be opened: ", "refused", "start the database"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, row.state)
			o.config = strings.Replace(o.config, "admin: 127.0.0.1:0", "admin: 127.0.0.1:1", 1)
			file := o.file("0")
			said, errs := exits(t, 1, "doctor", "-c", file)
			for _, want := range row.want {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q, but\n%s", want, said)
				}
			}
			o.noSecret(said + errs)
			if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
				t.Errorf("it has made %v, %v", left, err)
			}
		})
	}
}

// TestDoctorFile: mistakes of the file are all that is said where no gateway runs,
// and a warning where one does.
func TestDoctorFile(t *testing.T) {
	o, p, stop := examinedOffice(t)
	o.config = strings.Replace(strings.Replace(o.config, "admin: 127.0.0.1:0", "admin: "+p.admin.addr(), 1), customers[0].ClientSecret, "env:NOT_HERE", 1)
	file := o.file("0")
	if said := command(t, "doctor", "-c", file); !strings.HasPrefix(said, "! gateway  file: "+file+":12:") || !strings.Contains(said, "NOT_HERE is unset") {
		t.Errorf("beside a running gateway it says\n%s", said)
	}
	stop()
	if said, errs := exits(t, 1, "doctor", "-c", file); said != "" || !strings.Contains(errs, "NOT_HERE is unset") {
		t.Errorf("without one it says\n%s%s", said, errs)
	}
}

// TestDoctorManyRoutes: of many routes only what is not good is printed.
func TestDoctorManyRoutes(t *testing.T) {
	var all strings.Builder
	tell := func(e doctor.Event) {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(append(line, '\n'))
	}
	const routes = 21
	tell(doctor.Event{Routes: routes})
	for i := range routes {
		tell(doctor.Event{Finding: &doctor.Finding{Route: fmt.Sprintf("c%d.example", i), Check: "dns", Result: doctor.OK, Text: "good"}})
		tell(doctor.Event{Looked: i + 1, Routes: routes})
	}
	tell(doctor.Event{Finding: &doctor.Finding{Route: "c3.example", Check: "tls", Result: doctor.Warning, Text: "late", Remedy: "renew"}})
	whole := all.String() + `{"summary":{"routes":21}}` + "\n"
	for name, row := range map[string]struct {
		answer string
		args   []string
		code   int
		want   string
	}{
		"what is not good": {whole, nil, 0, "! c3.example  tls: late → renew\n21 routes: 21 ✓, 0 ✗, 1 !, 0 ?\n"},
		"all":              {whole, []string{"--all"}, 0, "✓ c20.example  dns: good\n! c3"},
		"cut short":        {all.String(), nil, 1, ""},
		"ended early":      {all.String() + `{"error":"examine: context canceled"}` + "\n", nil, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			running := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, row.answer) }))
			defer running.Close()
			said, errs := exits(t, row.code, append([]string{"doctor", "--admin", strings.TrimPrefix(running.URL, "http://")}, row.args...)...)
			if !strings.Contains(said, row.want) || row.code == 0 && row.args == nil && said != row.want || row.code == 1 && errs == "" {
				t.Errorf("it says\n%s%s", said, errs)
			}
		})
	}
}

// TestDoctorLive: Léa signs in when she is told to, and the report has what Slack
// did, and nothing of her.
func TestDoctorLive(t *testing.T) {
	t.Parallel()
	c := customers[0]
	o, p, _ := examinedOffice(t)
	lea := o.browser(p)
	told := &signsIn{signIn: func(address string) { lea.ask("GET", address, nil); lea.signIn("U0MARIE") }, link: regexp.MustCompile(`http://\S+/\.gateway/login\n`)}
	var out strings.Builder
	if code := run(t.Context(), []string{"doctor", "--live", c.Host, "--message", "U0MARIE", "--admin", p.admin.addr()}, os.Getenv, &out, told); code != 0 {
		t.Fatalf("exit code %d: %s", code, told.said.String())
	}
	var r struct {
		doctor.Report `yaml:",inline"`
		Version       string
	}
	if err := yaml.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	statuses := map[string]string{}
	for _, e := range r.TokenErrors {
		statuses[e.Cause] = fmt.Sprint(e.Status, " ", e.Error)
	}
	if statuses["a code that is none"] != "200 invalid_code" || statuses["a wrong secret"] != "200 bad_client_secret" || statuses["an unknown client_id"] != "200 invalid_client_id" {
		t.Errorf("token errors: %v", statuses)
	}
	if s := r.Callback; s == nil || s.Method != "GET" || s.Outcome != "signed_in" || s.Team != "the route's" || s.Picture || s.Enterprise || !slices.Contains(s.Claims, "https://slack.com/team_id") {
		t.Errorf("sign-in: %+v", s)
	}
	if !slices.ContainsFunc(r.Discovery, func(d string) bool { return strings.HasPrefix(d, "response_modes_supported: ") }) || len(r.Discovery) != 1 {
		t.Errorf("discovery differs: %q", r.Discovery)
	}
	if r.CreateLink < 500 || len(r.Answers) < 5 || r.Metadata == nil || r.Metadata.KiB == 0 || !slices.Contains(r.Headers, "X-Oauth-Scopes") || len(r.Open) < 2 {
		t.Errorf("report: %+v", r)
	}
	o.noSecret(out.String())
	for _, word := range []string{"arie", "upont", "@", c.Host, c.Team, "grafmania", "U0", o.origin} {
		if strings.Contains(out.String(), word) {
			t.Errorf("%q is in\n%s", word, out.String())
		}
	}
}

// signsIn reads what Léa is told, and does as it says.
type signsIn struct {
	said   strings.Builder
	link   *regexp.Regexp
	signIn func(address string)
}

func (s *signsIn) Write(p []byte) (int, error) {
	s.said.Write(p)
	if address := s.link.FindString(s.said.String()); address != "" && s.signIn != nil {
		do := s.signIn
		s.signIn = nil
		do(strings.TrimSpace(address))
	}
	return len(p), nil
}

// TestDoctorLiveAlone: nobody is there, and no gateway runs.
func TestDoctorLiveAlone(t *testing.T) {
	c := customers[0]
	o := newOffice(t, "./data")
	o.config = strings.Replace(o.config, "admin: 127.0.0.1:0", "admin: 127.0.0.1:1", 1)
	file := o.file("0")
	for _, flags := range [][]string{{"--no-browser"}, {}} {
		said, _ := exits(t, 0, append([]string{"doctor", "--live", c.Host, "-c", file}, flags...)...)
		if !strings.Contains(said, "how a sign-in comes back: ") || strings.Contains(said, "sign_in:") {
			t.Errorf("it says\n%s", said)
		}
		o.noSecret(said)
	}
	var r doctor.Report
	said, _ := exits(t, 0, "doctor", "--live", c.Host, "-c", file, "--no-browser", "--json")
	if err := json.Unmarshal([]byte(said), &r); err != nil || len(r.TokenErrors) == 0 || len(r.Answers) != 0 {
		t.Errorf("%v: %s", err, said)
	}
	for _, args := range [][]string{{"--live", c.Host, c.Host}, {"--message", "U0MARIE"}, {"--no-browser"}} {
		exits(t, 1, append([]string{"doctor", "-c", file}, args...)...)
	}
}

// TestDoctorAnswers: what a person types.
func TestDoctorAnswers(t *testing.T) {
	e := examination{in: strings.NewReader("Y\nnon\n\noui\n"), stderr: io.Discard}
	got := e.answers([]doctor.Question{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}, {ID: "e", Link: "x"}})
	want := []doctor.Answer{{ID: "a", Answer: "yes"}, {ID: "b", Answer: "no"}, {ID: "c", Answer: "unknown"}, {ID: "d", Answer: "yes"}, {ID: "e", Answer: "unknown"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}
