package proxy

import (
	"context"
	"net/http"
)

// notifyHeader is how an app asks for a notification on a page that it sends.
const notifyHeader = "X-Notify"

// Notify takes what an app asked for in the X-Notify headers of one answer, as
// they came, before anything of the answer is sent. actor is the Slack user id
// of who asked for the page, empty for nobody. It has no error: the page is
// sent whatever becomes of the notification.
type Notify func(ctx context.Context, actor, requestID string, values []string)

// notify hands on what the app asks for in band. Who asked for the page may be
// gone; what happened in the app has happened all the same.
func (x *exchange) notify(h http.Header) {
	values := h[notifyHeader]
	if len(values) == 0 || x.proxy.notify == nil {
		return
	}
	actor := ""
	if who := x.in.Who.who(); who != nil {
		actor = who.User
	}
	x.proxy.notify(context.WithoutCancel(x.request.Context()), actor, x.in.RequestID, values)
}
