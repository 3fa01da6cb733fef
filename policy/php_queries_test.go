package policy

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestAttackQueriesAsPHPParsesThem makes queries up of all that PHP reads
// strangely, and asks PHP itself what $_GET["page"] is: where it is "admin", the
// parameter is found, and where it is found for certain, PHP has it.
func TestAttackQueriesAsPHPParsesThem(t *testing.T) {
	php, err := exec.LookPath("php")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("PHP is missing")
		}
		t.Skip("needs PHP")
	}
	names := strings.Fields(`page page page %70age pag%65 +page %20page ++page page+ page%20 page%00 page%00x %00page pa.ge page[] page[ page] page[x] page%5B%5D %5Bpage] [page]
		page[page] page.x ?page /page PAGE p%2561ge page%26 page%3Dadmin x \xe9page page%09 %09page amp;page`)
	values := strings.Fields(`admin admin %61dmin adm%69n Admin admin%00 admin%20 +admin admin; admin;x x;page=admin x%26page=admin admin%23 x ad%zzmin admin= =admin %2561dmin`)
	separators := strings.Fields("& & & && ; ;& &amp; %26 ? ,")
	rng := rand.New(rand.NewPCG(6, 5))
	pick := func(from []string) string { return from[rng.IntN(len(from))] }
	var queries [][]byte
	for range 6000 {
		var q strings.Builder
		for range 1 + rng.IntN(3) {
			q.WriteString(pick(names) + "=" + pick(values) + pick(separators))
		}
		text := q.String()
		if rng.IntN(2) == 0 { // one byte more somewhere
			at := rng.IntN(len(text))
			text = text[:at] + string("[]&;=+%. "[rng.IntN(9)]) + text[at:]
		}
		queries = append(queries, []byte(text))
	}
	for _, n := range []int{998, 999, 1000, 1001} { // max_input_vars
		many := strings.Repeat("x[]=1&", n)
		queries = append(queries, []byte(many+"page=admin"), []byte("page=admin&"+many), []byte("page=admin&"+many+"page=x"), []byte("page=x&"+many+"page=admin"))
	}
	in, err := json.Marshal(queries)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(php, "-n", "-d", "display_errors=0", "-r", `foreach (json_decode(stream_get_contents(STDIN)) as $q) {
		parse_str(base64_decode($q), $out); $all[] = ($out["page"] ?? null) === "admin"; } echo json_encode($all);`)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run PHP: %v", err)
	}
	var admin []bool
	if err := json.Unmarshal(out, &admin); err != nil || len(admin) != len(queries) {
		t.Fatalf("read PHP's answer %.200q: %v", out, err)
	}
	p := compileQuery(map[string]string{"page": "admin"})[0]
	found := 0
	for i, q := range queries {
		switch m := p.match(string(q)); {
		case admin[i] && m == no:
			t.Errorf("%.200q: PHP has page=admin, which was not found", q)
		case !admin[i] && m == yes:
			t.Errorf("%.200q: found for certain, but PHP does not have it", q)
		}
		if admin[i] {
			found++
		}
	}
	if found < 50 {
		t.Errorf("only %d of the queries say page=admin: the test tries too little", found)
	}
}
