package notifyhook

import (
	"net/http"

	problems "github.com/cocoom/cocoom-gateway/internal/problem"
)

// problem is an answer that is not a success.
type problem = problems.Problem

// fieldError is one mistake in a request.
type fieldError = problems.FieldError

// unavailable says that the fault is ours and that the same request with the
// same key may be sent again.
func unavailable() *problem {
	return &problem{Status: http.StatusServiceUnavailable, Code: "store_unavailable", RetryAfter: 5,
		Detail: "the notification could not be written down; send it again with the same key"}
}
