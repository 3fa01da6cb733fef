package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// entry is an address at which the gateway itself answers, as the code that mounts
// it says: a new one is walked, and attacked, without being named in a test.
type entry struct {
	methods []string // that it serves; none: every one, or none of its own
	path    string   // from the root, with the reserved prefix, without wildcards
}

var (
	publicDoor    = regexp.MustCompile(`(?m)^\t(?:page|e\.RouteNotFound)\(p(\+probePage|\+"[^"]*")?, (.*)\)$`)
	severalDoors  = regexp.MustCompile(`p ?\+ ?"(/(?:v1|services|slack/api)[^"]*)"`)
	operatorsDoor = regexp.MustCompile(`(?:mux|programs|own)\.Handle(?:Func)?\("(?:([A-Z]+) )?(/[^"]*)"`)
	quoted        = regexp.MustCompile(`"([A-Z]+)"`)
)

// publicDoors are those of the public listener, below the reserved prefix.
func publicDoors(t *testing.T) (doors []entry) {
	t.Helper()
	source := mounted(t, "gateway/gateway.go")
	for _, m := range publicDoor.FindAllStringSubmatch(source, -1) {
		path := strings.Trim(strings.TrimPrefix(m[1], "+"), `"`)
		if path == "probePage" {
			path = "/probe"
		}
		d := entry{path: "/.gateway" + strings.ReplaceAll(path, "*", "nothing")}
		for _, method := range quoted.FindAllStringSubmatch(m[2], -1) {
			d.methods = append(d.methods, method[1])
		}
		doors = append(doors, d)
	}
	for _, m := range severalDoors.FindAllStringSubmatch(source, -1) {
		doors = append(doors, entry{path: "/.gateway" + strings.ReplaceAll(m[1], "*", "notifications")})
	}
	if len(doors) < 25 {
		t.Fatalf("only %d doors are found in the code", len(doors))
	}
	return doors
}

// operatorsDoors are those of the operators' listener. host is that of a route.
func operatorsDoors(t *testing.T, host string) (doors []entry) {
	t.Helper()
	for _, file := range []string{"internal/admin/admin.go", "internal/admin/pages.go"} {
		for _, m := range operatorsDoor.FindAllStringSubmatch(mounted(t, file), -1) {
			path := strings.NewReplacer("{$}", "", "{host}", host, "/routes/{id}", "/routes/"+host, "{id}", "ntf_none").Replace(m[2])
			d := entry{path: path}
			if m[1] != "" {
				d.methods = []string{m[1]}
			}
			doors = append(doors, d)
		}
	}
	if len(doors) < 50 {
		t.Fatalf("only %d doors are found in the code", len(doors))
	}
	return append(doors, entry{[]string{"GET"}, "/livez"}, entry{[]string{"GET"}, "/readyz"}, entry{[]string{"GET"}, "/none"}, entry{[]string{"GET"}, "/ui/none"})
}

func mounted(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
