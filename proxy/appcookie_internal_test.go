package proxy

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/policy"
)

func newBinder(t testing.TB, names ...string) *appCookies {
	t.Helper()
	keys := new(CookieKeys)
	if err := keys.Set([]CookieKey{{ID: "c1", Value: bytes.Repeat([]byte{7}, 32)}}); err != nil {
		t.Fatal(err)
	}
	return newAppCookies(Config{Host: "a.example.com", AppCookies: names, CookieKeys: keys, Now: time.Now})
}

// TestCookieNamesAreReadAsPHPDoes asks PHP itself which names it takes for a
// listed one. Its parse_str decodes names as PHP did with cookies until 7.2.34.
func TestCookieNamesAreReadAsPHPDoes(t *testing.T) {
	php, err := exec.LookPath("php")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("PHP is missing")
		}
		t.Skip("needs PHP")
	}
	listed := []string{"PHP_SESSID", "app.sid", "__Host-sid", "x%41y"}
	a := newBinder(t, listed...)
	var names []string
	for _, name := range listed {
		folded := strings.NewReplacer(".", "_").Replace(name)
		names = append(names, name, folded, name+"x", "x"+name, name[:len(name)-1], name+"[]", name+"[a]", name+"[a", name+"[", name+"]", name+"%00x", "%00"+name,
			" "+name, "%20"+name, "+"+name, "+%20+"+name, "%2b"+name, name+"+", name+"%20", "%09"+name, name+"%5B%5D", name+"%5bx]", "["+name+"]", strings.ToUpper(name))
		for i := range folded {
			if folded[i] == '_' {
				for _, other := range []string{".", " ", "[", "+", "%20", "%2E", "%5b", "%5F", "-", "%", "%2", "]"} {
					names = append(names, folded[:i]+other+folded[i+1:])
				}
			}
			names = append(names, folded[:i]+"%"+hexOf(folded[i])+folded[i+1:])
		}
	}
	in, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(php, "-n", "-r", `foreach (json_decode(stream_get_contents(STDIN)) as $n) { $out = []; parse_str("$n=1", $out); $all[] = array_map("strval", array_keys($out)); } echo json_encode($all);`)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var read [][]string
	if err := json.Unmarshal(out, &read); err != nil || len(read) != len(names) {
		t.Fatalf("PHP answers %q (%v)", out, err)
	}
	taken := 0
	for i, name := range names {
		for _, want := range []string{"PHP_SESSID", "app_sid", "__Host-sid", "xAy"} {
			if len(read[i]) == 1 && read[i][0] == want {
				taken++
				if !a.lists(name) {
					t.Errorf("PHP reads %q as %s, which is listed", name, want)
				}
			}
		}
	}
	if taken < 50 {
		t.Errorf("only %d of %d names are read as a listed one", taken, len(names))
	}
	for _, name := range []string{"", "PHP_SESSI", "PHP_SESSIDx", "xPHP_SESSID", "PHP-SESSID", "sid", "__Secure-sid", "[PHP_SESSID]", "theme"} {
		if a.lists(name) {
			t.Errorf("%q is taken for a listed name", name)
		}
	}
}

func hexOf(c byte) string {
	const digits = "0123456789aBcDeF"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// FuzzAppCookies: whatever is sent, the app gets no listed cookie but the one
// that was set for the person, and of all others nothing changes.
func FuzzAppCookies(f *testing.F) {
	f.Add("a=1; PHPSESSID=x;b=gw;; php.sessid=", "abc")
	f.Add("=PHPSESSID=1; x=1,%50HPSESSID=2", `"q"`)
	a, who := newBinder(f, "PHPSESSID"), &policy.Identity{Team: "T1", User: "U1"}
	f.Fuzz(func(t *testing.T, line, value string) {
		if strings.ContainsAny(value, ";\x00\r\n") || strings.Trim(value, " \t") != value {
			return
		}
		set := http.Header{"Set-Cookie": {"PHPSESSID=" + value + "; path=/"}}
		a.bind(set, who)
		good := strings.TrimSuffix(set["Set-Cookie"][0], "; path=/")
		cookies := http.Header{"Cookie": {line, good + ";" + line, line + ";" + good}}
		a.restore(cookies, who)
		found := 0
		var rest, want []string
		for _, pair := range strings.Split(strings.Join(cookies["Cookie"], ";"), ";") {
			switch pair = strings.Trim(pair, " \t"); {
			case pair == "PHPSESSID="+value:
				found++
			case a.lists(cookieName(pair)):
				t.Errorf("of %q the app gets %q", line, pair)
			case pair != "":
				rest = append(rest, pair)
			}
		}
		for _, pair := range strings.Split(line+";"+line+";"+line, ";") {
			if pair = strings.Trim(pair, " \t"); pair != "" && !a.lists(cookieName(pair)) && !a.hides(pair) {
				want = append(want, pair)
			}
		}
		if found != 2 {
			t.Errorf("of %q the app gets the good cookie %d times", line, found)
		}
		if strings.Join(rest, ";") != strings.Join(want, ";") {
			t.Errorf("of %q the app gets %q, want %q", line, rest, want)
		}
		cookies = http.Header{"Cookie": {good}}
		if a.restore(cookies, nil); cookies["Cookie"] != nil {
			t.Errorf("nobody brings %q", cookies["Cookie"])
		}
	})
}

// TestAppCookieCosts: a request without a listed cookie costs nothing, one with
// it the new header line, and an answer the new cookie.
func TestAppCookieCosts(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("with -race, a sync.Pool forgets")
	}
	a, who := newBinder(t, "PHPSESSID", "JSESSIONID"), &policy.Identity{Team: "T0AGRAF001", User: "U0LEA"}
	set := http.Header{"Set-Cookie": {"PHPSESSID=0123456789abcdef0123456789; path=/"}}
	a.bind(set, who)
	pair, _, _ := strings.Cut(set["Set-Cookie"][0], ";")
	lines, header := make([]string, 1), http.Header{}
	for name, row := range map[string]struct {
		cookies string
		want    float64
	}{
		"others alone":       {"theme=dark; lang=fr; _ga=GA1.2.3", 0},
		"a bound one":        {"theme=dark; " + pair, 1},
		"one without a tag":  {"theme=dark; PHPSESSID=0123456789abcdef0123456789", 1},
		"a listed one alone": {"PHPSESSID=x", 1},
	} {
		got := testing.AllocsPerRun(200, func() {
			lines[0] = row.cookies
			header["Cookie"] = lines
			a.restore(header, who)
		})
		if got > row.want {
			t.Errorf("%s: %v allocations, want %v", name, got, row.want)
		}
	}
}

func BenchmarkAppCookies(b *testing.B) {
	a, who := newBinder(b, "PHPSESSID", "JSESSIONID"), &policy.Identity{Team: "T0AGRAF001", User: "U0LEA"}
	set := http.Header{"Set-Cookie": {"PHPSESSID=0123456789abcdef0123456789; path=/"}}
	a.bind(set, who)
	pair, _, _ := strings.Cut(set["Set-Cookie"][0], ";")
	lines, header := make([]string, 1), http.Header{}
	b.Run("restore", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			lines[0], header["Cookie"] = "theme=dark; lang=fr; "+pair, lines
			a.restore(header, who)
		}
	})
	b.Run("bind", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			lines[0], header["Set-Cookie"] = "PHPSESSID=0123456789abcdef0123456789; path=/", lines
			a.bind(header, who)
		}
	})
}
