package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestFrontProxyNginx puts nginx, with the configuration that is shipped, in
// front of the gateway: people sign in, WebSockets open, long addresses survive
// Slack, and the gateway knows who calls.
func TestFrontProxyNginx(t *testing.T) {
	need(t, "nginx")
	o := newOffice(t, t.TempDir())
	o.config = "trusted_proxies: [127.0.0.1/32]\n" + o.config +
		"    policy: [{path: /inside/*, allow: {cidrs: [127.0.0.2/32]}}, {path: \"/**\", allow: members}]\n"
	p, _ := o.start("0")
	at, err := url.Parse(o.origin)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := os.ReadFile("docs/front-proxy/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	// But for TLS, names and addresses, and the redirect, which needs a port of its own.
	before, after, found := strings.Cut(string(shipped), "server {\n    listen 80;")
	_, after, found2 := strings.Cut(after, "}\n")
	site := strings.NewReplacer("127.0.0.1:8080", p.public.ln.Addr().String(), "listen 443 ssl;", fmt.Sprintf("listen 127.0.0.1:%d;", port), "*.cocoom.com", customers[0].Host,
		"    ssl_certificate     /etc/ssl/cocoom.com.pem;\n", "", "    ssl_certificate_key /etc/ssl/cocoom.com.key;\n", "").Replace(before + after)
	if !found || !found2 || strings.Contains(site, "ssl_") || strings.Contains(site, "cocoom.com;") {
		t.Fatalf("what is shipped has changed:\n%s", site)
	}
	(&behind{t: t, port: port}).nginx(site)

	from := func(ip string) *member {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		m := o.browser(p)
		tr := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == at.Host {
				address = loopback(port)
			}
			return dialer.DialContext(ctx, network, address)
		}}
		t.Cleanup(tr.CloseIdleConnections)
		m.Transport = tr
		return m
	}
	marie := from("127.0.0.1")
	if in := marie.signIn("U0MARIE"); in.Request.URL.String() != o.origin+"/" || in.StatusCode != http.StatusOK {
		t.Fatalf("signing in ended at %s with %d", in.Request.URL, in.StatusCode)
	}
	marie.socket()

	nobody := from("127.0.0.1")
	if resp := nobody.ask("GET", o.origin+"/"+strings.Repeat("long/", 1000), nil); !strings.HasPrefix(resp.Request.URL.String(), o.slack.URL()) {
		t.Errorf("a long address is answered %d at %.80s", resp.StatusCode, resp.Request.URL)
	}
	for ip, want := range map[string]int{"127.0.0.1": http.StatusForbidden, "127.0.0.2": http.StatusOK} {
		if ln, err := net.Listen("tcp", ip+":0"); err != nil {
			continue // not every system has all of 127.0.0.0/8
		} else {
			ln.Close()
		}
		req, err := http.NewRequestWithContext(t.Context(), "GET", o.origin+"/inside/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", "127.0.0.2")
		resp, err := from(ip).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("who calls from %s is answered %d, want %d", ip, resp.StatusCode, want)
		}
	}
}

// TestFrontProxyTraefikFile: Traefik itself cannot be had here, so its file is
// only read.
func TestFrontProxyTraefikFile(t *testing.T) {
	raw, err := os.ReadFile("docs/front-proxy/traefik.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		HTTP struct {
			Routers map[string]struct {
				Rule, Service string
				TLS           *struct{} `yaml:"tls"`
			} `yaml:"routers"`
			Services map[string]struct {
				LoadBalancer struct {
					Servers []struct {
						URL string `yaml:"url"`
					} `yaml:"servers"`
				} `yaml:"loadBalancer"`
			} `yaml:"services"`
		} `yaml:"http"`
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	router := file.HTTP.Routers["gateway"]
	if service := file.HTTP.Services[router.Service]; router.TLS == nil || len(service.LoadBalancer.Servers) != 1 || !strings.HasSuffix(service.LoadBalancer.Servers[0].URL, ":8080") {
		t.Errorf("the file says %+v", file)
	}
}
