package slackapi_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/internal/slackapi"
)

// TestAttackEndlessHeaders: an answer's headers are bounded, as its body is; a proxy
// on the way may add some KiB.
func TestAttackEndlessHeaders(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			t.Error(err)
		}
		for range n {
			w.Header().Add("X-Padding", strings.Repeat("x", 1<<10))
		}
	}))
	defer srv.Close()
	client := http.Client{Transport: slackapi.Transport()}
	defer client.CloseIdleConnections()
	for kib, fits := range map[string]bool{"0": true, "32": true, "60": true, "65": false, "512": false} {
		resp, err := client.Get(srv.URL + "/" + kib)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != fits {
			t.Errorf("%s KiB of headers: %v", kib, err)
		}
	}
}
