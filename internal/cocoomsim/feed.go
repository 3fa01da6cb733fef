package cocoomsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// heartbeat is how often a silent feed shows that it is alive.
const heartbeat = 15 * time.Second

// feed streams the tenant's activity as server-sent events: "bonjour" with
// the visitor's name at once, then one "activite" for each thing that happens.
func (a *App) feed(w http.ResponseWriter, v *visit) error {
	events, ok := v.tenant.board.subscribe()
	if !ok {
		return &pageError{http.StatusServiceUnavailable, "Trop de flux sont ouverts."}
	}
	defer v.tenant.board.unsubscribe(events)
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	out := http.NewResponseController(w)
	send := func(name string, e event) error {
		data, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, data)
		return err
	}
	err := send("bonjour", event{a.now(), v.who.String()})
	for err == nil && out.Flush() == nil {
		select {
		case <-v.Context().Done():
			return nil
		case <-a.done:
			return nil
		case e := <-events:
			err = send("activite", e)
		case <-tick.C:
			_, err = fmt.Fprint(w, ": toujours là\n\n")
		}
	}
	return nil // the reader is gone, and so is whoever an error could be told to
}
