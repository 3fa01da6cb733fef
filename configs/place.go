package configs

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// place is where in a file the decoder stands: a chain from the innermost key
// outwards; nil is the root. There is one for every node, so it is written out
// only for those that are mistaken.
type place struct {
	up    *place
	key   string // in a map; empty in a list
	index int    // in a list
}

func (p *place) in(key string) *place  { return &place{up: p, key: key} }
func (p *place) item(index int) *place { return &place{up: p, index: index} }

// String gives such as "routes[2].login.guests"; the root is "".
func (p *place) String() string {
	if p == nil {
		return ""
	}
	if p.key == "" {
		return p.up.String() + "[" + strconv.Itoa(p.index) + "]"
	}
	return join(p.up.String(), p.key)
}

// join gives the key of what stands under a key, where either may be empty and
// the second may begin with an index.
func join(key, under string) string {
	if key == "" || under == "" || under[0] == '[' {
		return key + under
	}
	return key + "." + under
}

// position is the token by which an editor should find a node.
func position(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return position(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return position(n.Key)
	case *ast.LiteralNode:
		return n.Start
	}
	return n.GetToken()
}

// locate finds the node of a key such as "routes[2].login.guests" beneath
// root. Where the file does not have it, it gives the innermost node on the
// way there, and false.
func locate(root ast.Node, key string) (ast.Node, bool) {
	for key != "" {
		var next ast.Node
		if key[0] == '[' {
			var index string
			index, key, _ = strings.Cut(key[1:], "]")
			next = itemOf(root, index)
		} else {
			key = strings.TrimPrefix(key, ".")
			next, key = entryOf(root, key)
		}
		if next == nil {
			return root, false
		}
		root = next
	}
	return root, true
}

// entryOf finds the value of the key that path begins with, and gives the rest
// of the path. A key may hold dots itself, as a template's name does; the
// longest that is there counts.
func entryOf(n ast.Node, path string) (value ast.Node, rest string) {
	for end := len(path); end > 0; end = strings.LastIndexAny(path[:end], ".[") {
		if value = valueOf(n, path[:end]); value != nil {
			return value, path[end:]
		}
	}
	return nil, ""
}

func itemOf(n ast.Node, index string) ast.Node {
	list, ok := n.(*ast.SequenceNode)
	i, err := strconv.Atoi(index)
	if !ok || err != nil || i < 0 || i >= len(list.Values) {
		return nil
	}
	return list.Values[i]
}

func valueOf(n ast.Node, key string) ast.Node {
	entries, _ := entriesOf(n)
	for _, e := range entries {
		if e.Key.GetToken().Value == key {
			return e.Value
		}
	}
	return nil
}

// entriesOf gives the entries of a map; false if n is none.
func entriesOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}
