package main

import (
	"net"
	"net/http"
	"net/http/fcgi"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestForwardAuthNginxFastCGI takes the lines for PHP-FPM out of their comment:
// the app is told the same, and REMOTE_USER besides.
func TestForwardAuthNginxFastCGI(t *testing.T) {
	b := newBehind(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	remoteUser := make(chan string, 1)
	go fcgi.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // ends with its listener
		b.mu.Lock()
		b.seen = append(b.seen, r)
		b.mu.Unlock()
		remoteUser <- fcgi.ProcessEnv(r)["REMOTE_USER"]
	}))

	b.change = func(conf string) string {
		location := regexp.MustCompile(`(?s)    location / \{.*?\n    \}\n`).FindString(conf)
		lines := strings.Join(regexp.MustCompile(`(?m)^ +#   (fastcgi_param .*;)$`).FindAllString(location, -1), "\n")
		standard := `fastcgi_param REQUEST_METHOD $request_method; fastcgi_param REQUEST_URI $request_uri; fastcgi_param SERVER_PROTOCOL $server_protocol;
fastcgi_param QUERY_STRING $query_string; fastcgi_param CONTENT_LENGTH $content_length; fastcgi_param CONTENT_TYPE $content_type;`
		return strings.Replace(conf, location, "location / {\nfastcgi_pass "+ln.Addr().String()+";\n"+standard+"\n"+strings.ReplaceAll(lines, "#", "")+"\n}\n", 1)
	}
	b.startNginx()
	v := b.visitor()
	v.signIn(b.origin+deepLink, "U0MARIE")
	var header []string
	for name := range identity {
		for _, spelling := range spellings(name) {
			header = append(header, spelling, "forged")
		}
	}
	for _, name := range slices.Concat(overrides, writtenInFront, []string{"x-real-ip"}) {
		for _, spelling := range spellings(name) {
			header = append(header, spelling, "forged")
		}
	}
	if resp, _ := b.visitor().visit("GET", b.origin+"/cron/nightly", "", "Authorization", "Bearer "+b.token); resp.StatusCode != 200 {
		t.Errorf("a program was answered %d", resp.StatusCode)
	} else if <-remoteUser; b.last().Header["Authorization"] != nil {
		t.Errorf("the app got %q", b.last().Header["Authorization"])
	}
	for who, visitor := range map[string]*visitor{"U0MARIE": v, "": b.visitor()} {
		resp, _ := visitor.visit("GET", b.origin+"/public/x?a=1", "", header...)
		if resp.StatusCode != 200 {
			t.Fatalf("answered %d", resp.StatusCode)
		}
		mail := <-remoteUser
		if (mail == "marie@agrafmania.fr") != (who != "") || who == "" && mail != "" {
			t.Errorf("as %q REMOTE_USER is %q", who, mail)
		}
		got := b.last()
		if got.Header.Get("X-Forwarded-User") != who || strings.Contains(got.Header.Get("Cookie"), "gw=") {
			t.Errorf("as %q the app got %v", who, got.Header)
		}
		for name, values := range got.Header {
			if strings.Contains(strings.Join(values, ","), "forged") {
				t.Errorf("as %q the app got %s: %q", who, name, values)
			}
		}
	}
}
