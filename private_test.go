package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestPrivateListener: the whole program's, with the checks, keys and queue of
// the others. Callers name the route in the path, and the address in Host.
func TestPrivateListener(t *testing.T) {
	p := startProgram(t, "./data")
	const notifications, token = "/routes/relais.localhost/v1/notifications", "Bearer ck_relais_0123456789abcdef"
	for _, row := range []struct {
		request, authorization string
		status                 int
		holds                  string
	}{
		{"GET /livez", "", 200, "alive"},
		{"GET /readyz", "", 200, "ready"},
		{"GET /.gateway/jwks.json", "", 200, `"kid"`},
		{"POST " + notifications, token, 202, "ntf_"},
		{"POST " + notifications, token, 200, "ntf_"}, // the same key again
		{"GET " + notifications + "?to=u0paul", token, 422, "to"},
		{"GET " + notifications + "?to=U0PAUL&key=private-1", token, 200, `"key":"private-1"`},
		{"HEAD " + notifications, token, 200, ""},
		{"PUT " + notifications, token, 405, "POST, GET, HEAD"},
		{"POST " + notifications + "?dry_run=1", token, 200, `"dry_run":true`},
		{"POST " + notifications + "/batch", token, 422, "items"},
		{"DELETE " + notifications + "/ntf_unknown", token, 404, "not_found"},
		{"POST " + notifications + "/ntf_unknown/replay", token, 404, "not_found"},
		{"POST " + notifications, "Bearer ck_another_0123456789abcd", 401, "problems/"},
		{"POST " + notifications, "", 401, "problems/"},
		{"POST /routes/nobody.localhost/v1/notifications", token, 404, "unknown_route"},
		{"GET /status", "", 404, "not_found"},
		{"GET /metrics", "", 404, "not_found"},
		{"GET /.gateway/auth", "", 403, "proxy_not_trusted"},
		{"GET /", "", 404, "not_found"},
	} {
		method, path, _ := strings.Cut(row.request, " ")
		req, err := http.NewRequest(method, "http://"+p.private.addr()+path, strings.NewReader("to=U0PAUL&text=hello&key=private-1"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if row.authorization != "" {
			req.Header.Set("Authorization", row.authorization)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != row.status || !strings.Contains(string(body), row.holds) {
			t.Errorf("%s answered %d %s (%v), want %d %s", row.request, resp.StatusCode, body, err, row.status, row.holds)
		}
	}
}
