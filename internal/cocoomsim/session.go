package cocoomsim

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	sessionCookie = "PHPSESSID"
	maxSessions   = 1000 // per tenant; the least recently used make room
	maxRecent     = 4    // dossiers a session remembers
)

// sessions are a tenant's PHP-like sessions: what the app itself remembers of
// a browser, whoever it thinks the person is.
type sessions struct {
	byID *lru.Cache[string, *session]
}

// session is one browser's. Its requests may come at the same time.
type session struct {
	ID    string
	Owner Person // who opened it

	mu     sync.Mutex
	pages  int
	recent []int // dossier numbers, latest first
	flash  *flash
}

// flash is a message for the next page only.
type flash struct {
	Kind string // "ok", "warn" or "error": the CSS class
	Text string
}

func newSessions() *sessions {
	byID, err := lru.New[string, *session](maxSessions)
	if err != nil {
		panic(err) // the size is a positive constant
	}
	return &sessions{byID}
}

// open returns the session the request's cookie names, or starts one. An id
// the app never gave out is not taken over (PHP's session.use_strict_mode).
func (s *sessions) open(w http.ResponseWriter, r *http.Request, who Person) *session {
	if c, err := r.Cookie(sessionCookie); err == nil {
		if known, ok := s.byID.Get(c.Value); ok {
			known.count()
			return known
		}
	}
	fresh := &session{ID: strings.ToLower(rand.Text()), Owner: who, pages: 1}
	s.byID.Add(fresh.ID, fresh)
	// The attributes are those of a PHP of that age: no Secure, no SameSite.
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: fresh.ID, Path: "/", HttpOnly: true})
	return fresh
}

// end forgets a session, in the browser too.
func (s *sessions) end(w http.ResponseWriter, old *session) {
	s.byID.Remove(old.ID)
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", HttpOnly: true, MaxAge: -1})
}

func (s *session) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages++
}

// Pages is the number of requests the session has seen.
func (s *session) Pages() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pages
}

func (s *session) setFlash(f flash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flash = &f
}

func (s *session) takeFlash() *flash {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flash
	s.flash = nil
	return f
}

// saw remembers a dossier as just looked at.
func (s *session) saw(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := slices.DeleteFunc(s.recent, func(m int) bool { return m == n })
	s.recent = slices.Insert(rest, 0, n)
	s.recent = s.recent[:min(len(s.recent), maxRecent)]
}

// Recent are the numbers of the dossiers looked at, latest first.
func (s *session) Recent() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.recent)
}
