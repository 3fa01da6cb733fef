package cocoomsim

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// What a board holds at most; the oldest make room.
const (
	maxEntries = 100  // notes, tasks and files, each, per dossier
	maxEvents  = 12   // in the list of recent activity
	maxFeeds   = 100  // open event feeds per tenant
	maxText    = 2000 // characters of a note
	maxTitle   = 160  // characters of a title or file name
	maxQuoted  = 300  // characters of a note in a notification
)

// board is everything a tenant's people work on.
type board struct {
	boot string // tells this run's task ids from an earlier run's

	mu       sync.Mutex
	dossiers []*dossier
	lastTask int
	events   []event
	feeds    map[chan event]struct{}
}

// dossier is one matter the tenant works on.
type dossier struct {
	N             int
	Title, Client string
	Notes         []note
	Tasks         []task
	Files         []file
}

// note is a remark in a dossier.
type note struct {
	By, Text string
	At       time.Time
}

// task is something a person is to do.
type task struct {
	ID, Title string
	For, By   Person
	At        time.Time
	Closed    bool
	Hook      hookResult // zero: nobody was told
}

// file is what the app keeps of an upload: not its bytes.
type file struct {
	Name, By string
	At       time.Time
	Size     int64
	SHA256   string // hexadecimal
}

// event is a line of recent activity.
type event struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// all returns a copy of the dossiers, safe to read while others write.
func (b *board) all() []dossier {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]dossier, 0, len(b.dossiers))
	for _, d := range b.dossiers {
		out = append(out, d.copied())
	}
	return out
}

// dossier returns a copy of one dossier.
func (b *board) dossier(n int) (dossier, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := b.find(n); d != nil {
		return d.copied(), true
	}
	return dossier{}, false
}

func (b *board) find(n int) *dossier {
	for _, d := range b.dossiers {
		if d.N == n {
			return d
		}
	}
	return nil
}

func (d *dossier) copied() dossier {
	c := *d
	c.Notes, c.Tasks, c.Files = slices.Clone(d.Notes), slices.Clone(d.Tasks), slices.Clone(d.Files)
	return c
}

// addNote adds a note to a dossier that exists.
func (b *board) addNote(n int, x note) {
	b.change(n, func(d *dossier) string {
		d.Notes = latest(x, d.Notes)
		return fmt.Sprintf("%s a ajouté une note au dossier %d", x.By, n)
	}, x.At)
}

// addFile adds a file to a dossier that exists.
func (b *board) addFile(n int, x file) {
	b.change(n, func(d *dossier) string {
		d.Files = latest(x, d.Files)
		return fmt.Sprintf("%s a déposé « %s » dans le dossier %d", x.By, x.Name, n)
	}, x.At)
}

// addTask adds a task to a dossier that exists, and returns it with its id.
func (b *board) addTask(n int, x task) task {
	b.change(n, func(d *dossier) string {
		b.lastTask++
		x.ID = fmt.Sprintf("%s-%d", b.boot, b.lastTask)
		d.Tasks = latest(x, d.Tasks)
		return fmt.Sprintf("%s a assigné « %s » à %s", x.By, x.Title, x.For)
	}, x.At)
	return x
}

// closeTask ends an open task; it reports false when there is none.
func (b *board) closeTask(n int, taskID, by string, at time.Time) (closed task, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	tasks := b.find(n).Tasks
	for i := range tasks {
		if tasks[i].ID == taskID && !tasks[i].Closed {
			tasks[i].Closed = true
			b.tell(event{at, fmt.Sprintf("%s a clos « %s »", by, tasks[i].Title)})
			return tasks[i], true
		}
	}
	return task{}, false
}

// setHook records what the webhook answered for a task.
func (b *board) setHook(n int, taskID string, result hookResult) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.find(n)
	for i := range d.Tasks {
		if d.Tasks[i].ID == taskID {
			d.Tasks[i].Hook = result
		}
	}
}

// change applies apply to dossier n, and tells the feeds the line it returns.
func (b *board) change(n int, apply func(*dossier) string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tell(event{at, apply(b.find(n))})
}

// tell adds a line of recent activity. The caller holds mu.
func (b *board) tell(e event) {
	b.events = latest(e, b.events)
	b.events = b.events[:min(len(b.events), maxEvents)]
	for feed := range b.feeds {
		select {
		case feed <- e:
		default: // a reader that does not keep up misses lines; nobody waits for it
		}
	}
}

// activity returns the recent events, latest first.
func (b *board) activity() []event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.events)
}

// subscribe opens a feed of events; it reports false when there are too many.
func (b *board) subscribe() (chan event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.feeds) >= maxFeeds {
		return nil, false
	}
	feed := make(chan event, 8)
	b.feeds[feed] = struct{}{}
	return feed, true
}

func (b *board) unsubscribe(feed chan event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.feeds, feed)
}

// latest puts x in front of the list and keeps the list bounded.
func latest[T any](x T, list []T) []T {
	list = slices.Insert(list, 0, x)
	return list[:min(len(list), maxEntries)]
}

// shorten cuts s to at most n characters, the last of them an ellipsis.
func shorten(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}

// newBoard returns a tenant's dossiers as they stand when the app starts.
func newBoard(t Tenant, now time.Time) *board {
	b := &board{boot: strings.ToLower(rand.Text()[:8]), feeds: make(map[chan event]struct{})}
	person := func(i int) Person {
		if len(t.People) == 0 {
			return Person{Name: "Cocoom"}
		}
		return t.People[i%len(t.People)]
	}
	for i, s := range scenario(t.Host) {
		day := now.AddDate(0, 0, -i-1)
		d := &dossier{N: s.n, Title: s.title, Client: s.client}
		for j, text := range s.notes {
			d.Notes = append(d.Notes, note{person(i + j).String(), text, day.Add(-time.Duration(j) * 3 * time.Hour)})
		}
		for j, title := range s.tasks {
			b.lastTask++
			d.Tasks = append(d.Tasks, task{
				ID: fmt.Sprintf("%s-%d", b.boot, b.lastTask), Title: title,
				For: person(i + j), By: person(i + j + 1), At: day,
			})
		}
		b.dossiers = append(b.dossiers, d)
	}
	return b
}
