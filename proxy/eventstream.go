package proxy

import (
	"context"
	"io"
	"mime"
	"net/http"
)

func isEventStream(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && kind == "text/event-stream"
}

// eventStream is an answer that never ends by itself. When the gateway stops it
// ends where it is, as if the app had ended it: browsers drop an event that is
// not whole, connect again, and say which event they had last
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
type eventStream struct {
	io.ReadCloser
	stopping context.Context
	forget   func() bool
}

func newEventStream(stopping context.Context, body io.ReadCloser) *eventStream {
	// A Read under way, which waits for the next event, ends when the body is closed.
	return &eventStream{body, stopping, context.AfterFunc(stopping, func() { _ = body.Close() })}
}

// Read gives what the app says, until the gateway stops.
func (e *eventStream) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if err != nil && e.stopping.Err() != nil {
		err = io.EOF
	}
	return n, err
}

// Close lets go of the app.
func (e *eventStream) Close() error {
	e.forget()
	return e.ReadCloser.Close()
}
