package main

import (
	"log"
	"log/slog"
)

// quietLibraries takes over what libraries write to the standard library's own
// log. net/http quotes there what an app sends unasked, which may be an echo of
// a request with its tokens, so the text is never passed on.
func quietLibraries(to *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(unquoted{to})
}

type unquoted struct{ log *slog.Logger }

func (u unquoted) Write(p []byte) (int, error) {
	u.log.Warn("a library has something to say; its words are not logged, since they may quote a request", "bytes", len(p))
	return len(p), nil
}
