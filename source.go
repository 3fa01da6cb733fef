package main

import (
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
)

const (
	// lookEvery is how often the files of a configuration are looked at. They are
	// looked at rather than watched: it is the same on every system and file
	// system, for editors that put another file in the place of one and for
	// Kubernetes, which puts another directory there, and it misses nothing. Ten
	// thousand files take 20 ms.
	lookEvery = time.Second
	// lookShare bounds the time that looking may take: one part in so many.
	lookShare = 50
	// maxUnsettled is how many looks a change may take until it is read anyway.
	maxUnsettled = 10
)

// source is the file that a configuration is read from.
type source struct {
	path    string
	getenv  func(string) string
	hangups <-chan os.Signal // each asks for a reload; nil: nobody does
	every   time.Duration    // how often the files are looked at

	reading sync.Mutex // one at a time, until what was read is applied or refused

	mu   sync.Mutex // guards what follows
	from configs.Sources
	seen files
}

// files are the files of a configuration as they were at some moment; nil stands
// for one that is not there.
type files map[string]fs.FileInfo

func look(paths []string) files {
	all := make(files, len(paths))
	for _, path := range paths {
		info, err := os.Stat(path) // through links: what they lead to is what counts
		if err != nil {
			info = nil
		}
		all[path] = info
	}
	return all
}

// same reports whether none of the files has changed, come or gone.
func (f files) same(other files) bool {
	if len(f) != len(other) {
		return false
	}
	for path, a := range f {
		b, known := other[path]
		if !known || !sameFile(a, b) {
			return false
		}
	}
	return true
}

func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.Mode() == b.Mode() && a.ModTime().Equal(b.ModTime())
}

// read reads the configuration. What changes while it is read is noticed by the
// next look.
func (s *source) read() (*configs.Config, error) {
	begun := time.Now()
	s.mu.Lock()
	before := look(s.from.Current())
	s.mu.Unlock()
	cfg, from, err := configs.Read(s.path, s.getenv)
	seen := look(from.Current())
	for path, info := range seen {
		switch old, known := before[path]; {
		case known:
			seen[path] = old
		case info != nil && !info.ModTime().Before(begun):
			delete(seen, path) // perhaps not as it was read
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.seen = from, seen
	return cfg, err
}

// again has the next look find a change.
func (s *source) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = nil
}

// now is how the files are at this moment, and whether that is how they were
// read.
func (s *source) now() (now files, same bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now = look(s.from.Current())
	return now, now.same(s.seen)
}

// settling is a change that is under way: files are read once they have stayed
// alike from one look to the next.
type settling struct {
	last  files
	looks int
}

// isOver takes the next look, and reports whether the change is to be read now.
func (c *settling) isOver(now files, same bool) bool {
	if same {
		*c = settling{}
		return false
	}
	over := c.last != nil && (c.last.same(now) || c.looks >= maxUnsettled)
	c.last, c.looks = now, c.looks+1
	if over {
		*c = settling{}
	}
	return over
}
