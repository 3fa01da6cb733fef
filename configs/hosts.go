package configs

import (
	"reflect"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// Hosts lists the hosts of the routes in the configuration file at path and in
// what it includes, sorted, each once. It looks at no other key and at no secret,
// and passes over what is wrong: it is for command lines that are still being typed.
func Hosts(path string) []string {
	var l loader
	l.left.Store(maxBytes)
	main := l.read(path)
	var patterns []string
	if n, ok := locate(main.root, "include"); ok {
		d := &decoder{file: path, types: &l.types}
		d.decode(n, reflect.ValueOf(&patterns).Elem(), nil)
	}
	routes, _ := locate(main.root, "routes")
	hosts := hostsOf(routes)
	for _, file := range l.include(main, patterns) {
		hosts = append(hosts, hostsOf(l.read(file).root)...)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// hostsOf gives the hosts of a route, or of a list of routes.
func hostsOf(n ast.Node) (hosts []string) {
	routes := []ast.Node{n}
	if list, ok := n.(*ast.SequenceNode); ok {
		routes = list.Values
	}
	for _, route := range routes {
		if host := valueOf(route, "host"); host != nil {
			hosts = append(hosts, host.GetToken().Value)
		}
	}
	return hosts
}
