package configs

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// document is one file of a configuration.
type document struct {
	file     string
	root     ast.Node // nil if the file could not be parsed
	layout   layout
	routes   []Route
	mistakes []Mistake

	mistaken map[string]bool // keys with a mistake, or meant by one
	parents  map[string]bool // keys with a mistake directly beneath, but for routes
}

// layout is how a file holds its routes.
type layout uint8

const (
	underRoutes layout = iota // the configuration file itself
	oneRoute
	listOfRoutes
)

// dir is what relative paths in the file are relative to.
func (d *document) dir() string { return filepath.Dir(d.file) }

// keyOf gives the key of the file's route i.
func (d *document) keyOf(i int) string {
	switch d.layout {
	case oneRoute:
		return ""
	case listOfRoutes:
		return "[" + strconv.Itoa(i) + "]"
	}
	return "routes[" + strconv.Itoa(i) + "]"
}

// add keeps mistakes from which others may follow.
func (d *document) add(mistakes ...Mistake) {
	d.mistakes = append(d.mistakes, mistakes...)
	for _, m := range mistakes {
		d.mark(m.Key)
		if up := parentOf(m.Key); !d.isRoute(up) {
			d.parents[up] = true
		}
	}
}

// mark notes keys as mistaken.
func (d *document) mark(keys ...string) {
	if d.mistaken == nil && len(keys) > 0 {
		d.mistaken, d.parents = make(map[string]bool), make(map[string]bool)
	}
	for _, key := range keys {
		d.mistaken[key] = true
	}
}

// mistake keeps a mistake found by looking at the decoded values, at the place
// of its key, or of the innermost key on the way to it that the file has. It
// is left out where it only follows from a mistake kept before.
func (d *document) mistake(key, text string) {
	if d.root != nil && !d.follows(key) {
		d.mistakes = append(d.mistakes, d.at(key, text))
	}
}

// absent leaves out every mistake about a secret that was not looked for.
func (d *document) absent(key string) { d.mark(key) }

// secretMistake keeps a mistake that leaves a secret empty.
func (d *document) secretMistake(key, text string) { d.add(d.at(key, text)) }

func (d *document) at(key, text string) Mistake {
	n, _ := locate(d.root, key)
	m := *mistakeAt(position(n), text)
	m.File, m.Key = d.file, key
	return m
}

func (d *document) follows(key string) bool {
	if d.parents[key] {
		return true
	}
	for len(d.mistaken) > 0 {
		if d.mistaken[key] {
			return true
		}
		if key == "" {
			break
		}
		key = parentOf(key)
	}
	return false
}

// wrote tells whether the file gives the key a value that sets something.
func (d *document) wrote(key string) bool {
	n, ok := locate(d.root, key)
	return ok && !isEmpty(n)
}

func (d *document) isRoute(key string) bool {
	switch d.layout {
	case oneRoute:
		return key == ""
	case listOfRoutes:
		return key == "" || parentOf(key) == ""
	}
	return key == "" || parentOf(key) == "routes"
}

func parentOf(key string) string {
	return key[:max(strings.LastIndexAny(key, ".["), 0)]
}
