package throttle

import "sync"

// Gate bounds how many do the same at once. Its zero value is ready.
type Gate struct {
	mu     sync.Mutex
	inside map[string]int
}

// Enter lets one in to what is named, unless as many as most are inside: leave
// must be called then, once; nil: there is no room.
func (g *Gate) Enter(name string, most int) (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[name] >= most {
		return nil
	}
	if g.inside == nil {
		g.inside = map[string]int{}
	}
	g.inside[name]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.inside[name]--; g.inside[name] == 0 {
			delete(g.inside, name)
		}
	}
}
