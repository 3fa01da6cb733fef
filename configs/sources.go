package configs

import (
	"path/filepath"
	"slices"
	"sync"
)

// Sources are all that a configuration was read from, whether it could be read
// or not: what changes it changes one of them.
type Sources struct {
	// Files are the configuration file, those that include named, and those that
	// secrets were to come from; sorted, each once.
	Files []string
	// Patterns are what included files were looked for by.
	Patterns []string
}

// Current looks for the files of today: Files, and whatever the patterns name by
// now; sorted, each once.
func (s Sources) Current() []string {
	files := slices.Clone(s.Files)
	for _, pattern := range s.Patterns {
		more, _ := filepath.Glob(pattern) // one that is no pattern names nothing
		files = append(files, more...)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// sources collects what is read, by several goroutines.
type sources struct {
	mu    sync.Mutex
	found Sources
}

func (s *sources) file(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found.Files = append(s.found.Files, path)
}

func (s *sources) pattern(pattern string) { s.found.Patterns = append(s.found.Patterns, pattern) }

func (s *sources) all() Sources {
	slices.Sort(s.found.Files)
	s.found.Files = slices.Compact(s.found.Files)
	return s.found
}
