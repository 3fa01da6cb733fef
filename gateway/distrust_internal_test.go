package gateway

import "testing"

// TestEndpointsStayInTLS: whoever can change the discovery document's answer once
// does not get client secrets and tokens in clear.
func TestEndpointsStayInTLS(t *testing.T) {
	good := metadata{Authorization: "https://a.example/authorize", Token: "https://b.example/token", Keys: "https://c.example/keys"}
	for name, row := range map[string]struct {
		change func(*metadata)
		issuer string
		ok     bool
	}{
		"good":                        {func(*metadata) {}, "https://a.example", true},
		"all in clear, as its issuer": {func(m *metadata) { m.Authorization, m.Token, m.Keys = "http://a/", "http://b/", "http://c/" }, "http://a", true},
		"authorization in clear":      {func(m *metadata) { m.Authorization = "http://a.example/authorize" }, "https://a.example", false},
		"token in clear":              {func(m *metadata) { m.Token = "http://169.254.169.254/token" }, "https://a.example", false},
		"keys in clear":               {func(m *metadata) { m.Keys = "http://127.0.0.1:9901/keys" }, "https://a.example", false},
		"userInfo in clear":           {func(m *metadata) { m.UserInfo = "http://a.example/" }, "https://a.example", false},
		"upper case":                  {func(m *metadata) { m.Keys = "HTTP://c.example/keys" }, "https://a.example", false},
		"file":                        {func(m *metadata) { m.Keys = "file:///etc/passwd" }, "http://a", false},
	} {
		m := good
		row.change(&m)
		if err := m.check(row.issuer); (err == nil) != row.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
