package configs

import (
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/goccy/go-yaml/ast"

	"github.com/cocoom/cocoom-gateway/internal/secret"
)

// What one configuration may hold.
const (
	maxBytes = 16 << 20 // of all its files
	maxFiles = 20_000   // that include names
)

// loader reads the files of one configuration, several at a time.
type loader struct {
	getenv func(string) string // nil: secrets that lie elsewhere are left there
	types  types
	left   atomic.Int64 // bytes that may still be read
	from   sources
}

// Load reads the configuration file at path and the files it includes, with
// the secrets they name: "env:NAME" is asked of getenv, "file:PATH" is read.
// The error is an *Error with every mistake; there is no Config then.
func Load(path string, getenv func(string) string) (*Config, error) {
	cfg, _, err := Read(path, getenv)
	return cfg, err
}

// LoadBare is Load for who has no secret yet, or none at all: each that lies
// elsewhere stays the text "env:NAME" or "file:PATH", and nothing is said of it.
func LoadBare(path string) (*Config, error) { return Load(path, nil) }

// Read is Load, and says what was read, also with an error.
func Read(path string, getenv func(string) string) (*Config, Sources, error) {
	l := &loader{getenv: getenv}
	l.left.Store(maxBytes)
	cfg, err := l.load(path)
	return cfg, l.from.all(), err
}

func (l *loader) load(path string) (*Config, error) {
	cfg := defaults()
	main := l.read(path)
	l.decode(main, reflect.ValueOf(&cfg).Elem())
	main.routes, cfg.Routes = cfg.Routes, nil
	docs := append([]*document{main}, l.readAll(main, l.include(main, cfg.Include))...)

	v := &validator{cfg: &cfg, main: main, hosts: make(map[string]spot)}
	v.config()
	var mistakes []Mistake
	for _, doc := range docs {
		v.routes(doc)
		cfg.Routes = append(cfg.Routes, doc.routes...)
	}
	unread := slices.ContainsFunc(docs, func(d *document) bool { return d.root == nil })
	if len(cfg.Routes) == 0 && !unread {
		main.mistake("routes", "there is no route: write one under routes:, or in a file that include names")
	}
	for _, doc := range docs {
		mistakes = append(mistakes, doc.mistakes...)
	}
	if err := failure(mistakes, path); err != nil {
		return nil, err
	}
	return &cfg, nil
}

// AdminAddress gives the operators' listener's address from the configuration
// file at path, or its default. It looks at no other key, no included file and
// no secret, so that a process without the server's environment may ask. The
// error is an *Error.
func AdminAddress(path string) (string, error) {
	var l loader
	l.left.Store(maxBytes)
	cfg, main := defaults(), l.read(path)
	l.decodeKey(main, "admin", &cfg.Admin)
	v := &validator{cfg: &cfg, main: main}
	v.adminListener()
	if err := failure(main.mistakes, path); err != nil {
		return "", err
	}
	return cfg.Admin, nil
}

// AdminToken gives the token of the operators' listener from the configuration
// file at path; empty: there is none. It looks at no other key, no included file
// and no other secret. The error is an *Error.
func AdminToken(path string, getenv func(string) string) (secret.String, error) {
	l := loader{getenv: getenv}
	l.left.Store(maxBytes)
	cfg, main := defaults(), l.read(path)
	l.decodeKey(main, "admin_token", &cfg.AdminToken)
	if err := failure(main.mistakes, path); err != nil {
		return "", err
	}
	return cfg.AdminToken, nil
}

// decodeKey fills v from one key of a document's first level, then the secrets in v.
func (l *loader) decodeKey(doc *document, key string, v any) {
	n, ok := locate(doc.root, key)
	if !ok {
		return
	}
	at := (*place)(nil).in(key)
	d := &decoder{file: doc.file, types: &l.types}
	d.decode(n, reflect.ValueOf(v).Elem(), at)
	doc.add(d.mistakes...)
	s := &secrets{getenv: l.getenv, dir: doc.dir(), types: &l.types, mistake: doc.secretMistake, reads: l.from.file}
	s.resolve(reflect.ValueOf(v).Elem(), at)
}

// read parses one file.
func (l *loader) read(path string) *document {
	doc := &document{file: path}
	content, err := l.content(path)
	if err != nil {
		doc.add(Mistake{File: path, Text: err.Error()})
		return doc
	}
	root, m := parse(content)
	if m != nil {
		m.File = path
		doc.add(*m)
	}
	doc.root = root
	return doc
}

// content reads a file within what is left of maxBytes.
func (l *loader) content(path string) ([]byte, error) {
	l.from.file(path)
	content, err := readRegular(path, max(l.left.Load(), 0))
	if err != nil {
		return nil, err
	}
	if l.left.Add(-int64(len(content))) < 0 {
		return nil, fmt.Errorf("is beyond the %d MiB that a configuration may have with all its files", maxBytes>>20)
	}
	return content, nil
}

// decode fills v from a document, then the secrets in v.
func (l *loader) decode(doc *document, v reflect.Value) {
	if doc.root == nil {
		return
	}
	d := &decoder{file: doc.file, types: &l.types}
	d.decode(doc.root, v, nil)
	doc.add(d.mistakes...)
	doc.mark(d.meant...)
	s := &secrets{getenv: l.getenv, dir: doc.dir(), types: &l.types, mistake: doc.secretMistake, reads: l.from.file, absent: doc.absent}
	s.resolve(v, nil)
}

// include gives the files that the patterns of the include key name, each once.
func (l *loader) include(main *document, patterns []string) []string {
	var files []string
	seen := map[string]bool{}
	for i, pattern := range patterns {
		key := (*place)(nil).in("include").item(i).String()
		pattern = relativeTo(main.dir(), pattern)
		l.from.pattern(pattern)
		matches, err := filepath.Glob(pattern)
		switch {
		case err != nil:
			main.mistake(key, "is no pattern: write one such as routes.d/*.yaml")
		case len(matches) == 0 && !strings.ContainsAny(pattern, meta):
			main.mistake(key, "there is no such file")
		case len(matches) == 0:
			// To Glob a folder that cannot be read is an empty one: a volume that
			// fails for a moment would take its customers along.
			if err := listable(pattern); err != nil {
				main.mistake(key, "the folder "+err.Error())
			}
		}
		for _, file := range matches {
			if filepath.Clean(file) == filepath.Clean(main.file) {
				main.mistake(key, "names this very file: put the routes into a folder of their own, such as routes.d/*.yaml")
			} else if !seen[file] {
				seen[file] = true
				files = append(files, file)
			}
		}
	}
	if len(files) > maxFiles {
		main.mistake("include", fmt.Sprintf("names more than %d files: put several routes into one, as a list", maxFiles))
		return nil
	}
	return files
}

// readAll reads and decodes included files, as many at a time as there are
// processors.
func (l *loader) readAll(main *document, files []string) []*document {
	docs := make([]*document, len(files))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(files); i = next.Add(1) - 1 {
				docs[i] = l.readRoutes(files[i])
			}
		})
	}
	workers.Wait()
	return docs
}

// readRoutes reads one included file.
func (l *loader) readRoutes(path string) *document {
	doc := l.read(path)
	if doc.root == nil {
		return doc
	}
	if _, ok := doc.root.(*ast.SequenceNode); ok {
		doc.layout = listOfRoutes
		l.decode(doc, reflect.ValueOf(&doc.routes).Elem())
		return doc
	}
	doc.layout = oneRoute
	doc.routes = make([]Route, 1)
	l.decode(doc, reflect.ValueOf(&doc.routes[0]).Elem())
	return doc
}
