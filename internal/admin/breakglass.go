package admin

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// maxAsked bounds the body of a request to this listener.
const maxAsked = 16 << 10

// BreakGlass is the body of POST /break-glass.
type BreakGlass struct {
	Host    string `json:"host"`
	Email   string `json:"email"`
	User    string `json:"user,omitempty"`
	Name    string `json:"name,omitempty"`
	Seconds int64  `json:"seconds"` // how long the session lasts
	By      string `json:"by"`
}

// BreakGlassLink is the answer to it. Its URL signs its bearer in, once.
type BreakGlassLink struct {
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
	User    string    `json:"user"`
}

// Refusal is the body of every answer but 200.
type Refusal struct {
	Error string `json:"error"`
}

// breakGlass hands out a link. Whoever may ask for it may become anybody, so it
// is for programs on the machine itself: not for whoever else reaches the
// listener, such as a monitoring network, and for no page in a browser.
func (cfg Config) breakGlass(w http.ResponseWriter, r *http.Request) {
	if !fromThisMachine(r) {
		answer(w, http.StatusForbidden, Refusal{"break-glass links are made on the gateway's own machine only"})
		return
	}
	var b BreakGlass
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAsked))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		answer(w, http.StatusBadRequest, Refusal{"the body is not what was expected"})
		return
	}
	link, err := cfg.Gateway.MakeBreakGlass(r.Context(), gateway.BreakGlass{
		Host: b.Host, Email: b.Email, User: b.User, Name: b.Name, For: time.Duration(b.Seconds) * time.Second, By: b.By,
	})
	switch {
	case errors.Is(err, gateway.ErrBreakGlass):
		answer(w, http.StatusBadRequest, Refusal{err.Error()})
	case err != nil:
		cfg.Log.Error("break-glass link cannot be made", "error", err)
		answer(w, http.StatusServiceUnavailable, Refusal{"the store cannot be written"})
	default:
		answer(w, http.StatusOK, BreakGlassLink{link.URL.Reveal(), link.Expires, link.User})
	}
}

// fromThisMachine reports whether a program on this machine asks: over the
// loopback or from the very address that it asks, without a proxy between, and
// not as a browser, which a foreign page, or a name that was pointed at this
// address, could make ask (it always sends Origin with a POST).
func fromThisMachine(r *http.Request) bool {
	for _, name := range [...]string{"Origin", "Sec-Fetch-Site", "Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	from := peer.Addr().Unmap()
	if from.IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.AddrPort().Addr().Unmap().WithZone("") == from.WithZone("")
}
