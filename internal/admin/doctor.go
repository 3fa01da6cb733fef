package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/cocoom/cocoom-gateway/internal/doctor"
)

// Examine is the body of POST /doctor.
type Examine struct {
	Operator
	Hosts []string `json:"hosts,omitempty"` // none: all routes
}

// ExamineLive is the body of POST /doctor/live.
type ExamineLive struct {
	Operator
	Host    string `json:"host"`
	Browser bool   `json:"browser"`           // somebody is there to sign in and to answer
	Message string `json:"message,omitempty"` // the Slack user id of whom to send a test message
}

// ExamineFailed is the last line of an examination that did not come to its end.
type ExamineFailed struct {
	Error string `json:"error"`
}

func (cfg Config) examine(ctx context.Context, in Examine, say func(doctor.Event)) error {
	return cfg.Doctor().Run(ctx, in.Hosts, say)
}

func (cfg Config) examineLive(ctx context.Context, in ExamineLive, say func(doctor.Event)) error {
	return cfg.Doctor().Live(ctx, doctor.Live{Host: in.Host, Browser: in.Browser, Message: in.Message}, say)
}

// lines serves what takes long and tells as it goes: a JSON object a line. Who
// comes while another one is served is refused: Slack would be asked twice.
func lines[In interface{ validate() error }](cfg Config, do func(ctx context.Context, in In, say func(doctor.Event)) error) http.Handler {
	turn := make(chan struct{}, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		err := decode(r.Body, &in)
		if err == nil {
			err = in.validate()
		}
		if err != nil {
			cfg.fail(w, r, err)
			return
		}
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		default:
			answer(w, http.StatusConflict, Failure{"another examination is under way"})
			return
		}
		begun, out := false, json.NewEncoder(w)
		err = do(r.Context(), in, func(e doctor.Event) {
			if !begun {
				begun = true
				w.Header().Set("Content-Type", "application/x-ndjson")
				w.Header().Set("Cache-Control", "no-store")
			}
			_ = out.Encode(e) // who has gone away has ended the context, too
			_ = http.NewResponseController(w).Flush()
		})
		switch {
		case err == nil:
		case begun:
			_ = out.Encode(ExamineFailed{err.Error()})
		case errors.Is(err, doctor.ErrNoRoute):
			cfg.fail(w, r, mistake(err.Error()))
		default:
			cfg.fail(w, r, err)
		}
	})
}
