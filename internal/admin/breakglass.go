package admin

import (
	"context"
	"time"

	"github.com/cocoom/cocoom-gateway/gateway"
)

// BreakGlass is the body of POST /break-glass.
type BreakGlass struct {
	Operator
	Host    string `json:"host"`
	Email   string `json:"email"`
	User    string `json:"user_id,omitempty"` // missing: that of whom the gateway knows by the address, else one made of it
	Name    string `json:"name,omitempty"`
	Seconds int64  `json:"seconds"` // how long the session lasts
}

// BreakGlassLink is the answer to it. Its URL signs its bearer in, once.
type BreakGlassLink struct {
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
	User    string    `json:"user_id"`
}

// breakGlass is POST /break-glass. Whoever may ask for a link may become anybody.
func (cfg Config) breakGlass(ctx context.Context, b BreakGlass) (any, error) {
	link, err := cfg.Gateway.MakeBreakGlass(ctx, gateway.BreakGlass{
		Host: b.Host, Email: b.Email, User: b.User, Name: b.Name, For: time.Duration(b.Seconds) * time.Second, By: b.By,
	})
	return BreakGlassLink{link.URL.Reveal(), link.Expires, link.User}, err
}
