package policy

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestNamesAreDecodedAsPHPDoes asks PHP itself what it makes of queries.
func TestNamesAreDecodedAsPHPDoes(t *testing.T) {
	php, err := exec.LookPath("php")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("PHP is missing")
		}
		t.Skip("needs PHP")
	}
	queries := []string{
		"page=admin", "p%61ge=%61dmin", "+page=admin", "%20%20page=admin", "page+x=1", "page.x=1", "page%2Ex=1", "page[x=1", "page%5Bx.y=1",
		"pa.g[e=1", "page[]=admin", "page%5B%5D=admin", "page[a][b]=admin", "page[a.b]=x", "page[x]y=1", "page%00x=admin", "%00page=1", "page=a%00b",
		"page=%", "page=%4", "page=%zz", "page=100%25", "page%=1", "page%zz=1", "=1", "+=1", "page", "page=", "page=a=b", "page=a;b=c",
		"page=a&page=b", "page=a&page[]=b", "page[]=a&page=b", "[page]=1", "[]=1", "a&&b=1", "page=a+b%2Bc", "PAGE=1", "page[=1", "page[[]=1", "page]=1",
		"page[ ]=1", "a[b]c]=1", "\xe9=1", "%E9=%e9", "page =1", "page%09=1", "%09page=1", "page%5D%5B=1",
	}
	script := `foreach (json_decode(stream_get_contents(STDIN)) as $q) { parse_str(base64_decode($q), $out);
		$row = []; foreach ($out as $k => $v) { $row[] = [base64_encode($k), is_array($v) ? "" : base64_encode($v), is_array($v)]; } $all[] = $row; } echo json_encode($all);`
	var encoded [][]byte
	for _, q := range queries {
		encoded = append(encoded, []byte(q))
	}
	in, err := json.Marshal(encoded)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(php, "-n", "-r", script)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run PHP: %v", err)
	}
	var rows [][][]any
	if err := json.Unmarshal(out, &rows); err != nil {
		t.Fatalf("read PHP's answer %q: %v", out, err)
	}
	for i, query := range queries {
		for _, row := range rows[i] {
			var name, value []byte
			unbase64(t, row[0], &name)
			unbase64(t, row[1], &value)
			p := parameter{base: string(name), value: string(value)}
			if row[2] == true {
				// Of an array only the name is compared here; its values are anybody's.
				if n := p.named(strings.Split(strings.Split(query, "&")[0], "=")[0]); n == no && !strings.Contains(query, "&") {
					t.Errorf("%q: PHP has an array %q, which was not found", query, name)
				}
			} else if p.match(query) == no {
				t.Errorf("%q: PHP has %q = %q, which was not found", query, name, value)
			}
		}
		if len(rows[i]) == 0 {
			for _, name := range []string{"page", "_page"} {
				if (&parameter{base: name}).scan(query, "&") == yes {
					t.Errorf("%q: PHP has nothing, but %s was found", query, name)
				}
			}
		}
	}
}

func unbase64(t *testing.T, text any, out *[]byte) {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err == nil {
		err = json.Unmarshal(quoted, out)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestParameterMatch(t *testing.T) {
	tests := []struct {
		key, value, query string
		want              match
	}{
		{"page", "admin", "page=admin", yes},
		{"page", "admin", "page=admin&page=admin", yes},
		{"page", "admin", "page=admin&page=x", maybe},
		{"page", "admin", "page[]=admin", maybe},
		{"page[]", "admin", "page%5B%5D=admin", yes},
		{"page[a]", "admin", "page[b]=admin", maybe},
		{"a.b", "x y", "a_b=x+y", yes},
		{"a b", "x", "a.b=x", yes},
		{"page", "", "page", yes},
		{"page", "", "x", no},
		{"page", "admin", "x=1;page=admin", maybe},
		{"page", "admin;x", "page=admin;x", maybe},
		{"page", "admin", "", no},
		{"page", "admin", "??page=admin", maybe},
		{"page", "admin", "?x=1;page=admin", maybe},
		{"?page", "admin", "?page=admin", maybe},
		{"page", "admin", "x?page=admin", no},
	}
	for _, tt := range tests {
		p := compileQuery(map[string]string{tt.key: tt.value})[0]
		if got := p.match(tt.query); got != tt.want {
			t.Errorf("%s=%s in %q: got %d, want %d", tt.key, tt.value, tt.query, got, tt.want)
		}
	}
}
