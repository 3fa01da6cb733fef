package main

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// otelCollector takes traces as an OpenTelemetry collector does.
type otelCollector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*otlp.Span
}

func newCollector(t *testing.T) *otelCollector {
	c := &otelCollector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(r.Body)
		}
		raw, err := io.ReadAll(body)
		var batch collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(raw, &batch) != nil {
			t.Errorf("the collector was sent what it cannot read at %s: %v", r.URL, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, resource := range batch.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
				for _, span := range scope.Spans {
					fmt.Fprint(overheard.at("the traces"), span)
				}
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

// find waits for the first span that f accepts.
func (c *otelCollector) find(t *testing.T, what string, f func(*otlp.Span) bool) *otlp.Span {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		c.mu.Lock()
		for _, s := range c.spans {
			if f(s) {
				c.mu.Unlock()
				return s
			}
		}
		c.mu.Unlock()
	}
	t.Fatalf("there is no span of %s", what)
	return nil
}

// said is a span's attribute as text.
func said(s *otlp.Span, key string) string {
	for _, kv := range s.Attributes {
		if kv.Key == key {
			if text := kv.Value.GetStringValue(); text != "" {
				return text
			}
			return kv.Value.String()
		}
	}
	return ""
}

const (
	theirTrace  = "0af7651916cd43dd8448eb211c80319c"
	theirParent = "00-" + theirTrace + "-b7ad6b7169203331-01"
)

// startTraced starts a program that is traced, in front of an app that tells what
// trace headers it got.
func startTraced(t *testing.T, more string) (p *program, o *office, got chan http.Header) {
	t.Helper()
	got = make(chan http.Header, 10)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	t.Cleanup(app.Close)
	o = newOffice(t, "./data")
	u := o.config[strings.Index(o.config, "    upstream: ")+len("    upstream: "):]
	u, _, _ = strings.Cut(u, "\n")
	o.config = more + strings.Replace(o.config, u, app.URL, 1) + "    notify: {bearer_tokens: [ck_office_0123456789abcdef]}\n    policy: [{path: /**, allow: public}]\n"
	p, _ = o.start("0")
	return p, o, got
}

func (o *office) send(t *testing.T, p *program, method, path, form string, header ...string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+p.public.addr()+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(o.origin)
	req.Host = u.Host
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// TestTracing: a request's span has the app's below it, and the app is told of
// it. A notification's delivery leads back to its acceptance, and has the calls
// to Slack below it. A stranger's trace is linked to and not gone on with; a
// trusted proxy's is. Nothing secret gets out.
func TestTracing(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	for name, row := range map[string]struct {
		trusted   string
		goesOn    bool
		withTheir string
	}{"a stranger": {"", false, theirTrace}, "a trusted proxy": {"trusted_proxies: [127.0.0.1/32]\n", true, ""}} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t)
			p, o, got := startTraced(t, row.trusted+"tracing: {endpoint: \""+c.URL+"\", sample: 1}\n")
			o.send(t, p, "GET", "/dossiers/12?secret=tell-nobody", "", "Traceparent", theirParent, "Tracestate", "theirs=1", "Connection", "traceparent")
			atApp := <-got
			server := c.find(t, "the request", func(s *otlp.Span) bool { return said(s, "url.path") == "/dossiers/12" })
			upstream := c.find(t, "the app", func(s *otlp.Span) bool {
				return string(s.ParentSpanId) == string(server.SpanId) && s.Kind == otlp.Span_SPAN_KIND_CLIENT
			})
			trace := hex.EncodeToString(server.TraceId)
			if (trace == theirTrace) != row.goesOn {
				t.Errorf("the trace is %s", trace)
			}
			if linked := len(server.Links) == 1 && hex.EncodeToString(server.Links[0].TraceId) == theirTrace; linked == row.goesOn {
				t.Errorf("the request's span has the links %v", server.Links)
			}
			if want := "00-" + trace + "-" + hex.EncodeToString(upstream.SpanId) + "-01"; atApp.Get("Traceparent") != want {
				t.Errorf("the app got the traceparent %q, want %q", atApp.Get("Traceparent"), want)
			}
			if theirs := atApp.Get("Tracestate") == "theirs=1"; theirs != row.goesOn {
				t.Errorf("the app got the tracestate %q", atApp.Get("Tracestate"))
			}
			if said(server, "cocoom.decision") != "allow" || said(server, "server.address") != customers[0].Host {
				t.Errorf("the request's span says %v", server.Attributes)
			}

			o.send(t, p, "POST", "/.gateway/v1/notifications", "to="+customers[0].people[1].ID+"&text=hello",
				"Authorization", "Bearer ck_office_0123456789abcdef", "Content-Type", "application/x-www-form-urlencoded")
			accept := c.find(t, "the acceptance", func(s *otlp.Span) bool { return s.Kind == otlp.Span_SPAN_KIND_PRODUCER })
			post := c.find(t, "the call to Slack", func(s *otlp.Span) bool { return s.Name == "chat.postMessage" })
			delivery := c.find(t, "the delivery", func(s *otlp.Span) bool { return string(s.SpanId) == string(post.ParentSpanId) })
			if len(delivery.Links) != 1 || string(delivery.Links[0].SpanId) != string(accept.SpanId) || string(delivery.Links[0].TraceId) != string(accept.TraceId) {
				t.Errorf("the delivery does not lead back to its acceptance: %v", delivery.Links)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, s := range c.spans {
				for _, secret := range []string{"tell-nobody", "ck_office", customers[0].BotToken, "hello"} {
					if strings.Contains(s.String(), secret) {
						t.Errorf("%s is in the span %s", secret, s.Name)
					}
				}
			}
		})
	}
}

// TestNoTracing: without an endpoint the client's headers pass as they came, and
// nothing of ours is added.
func TestNoTracing(t *testing.T) {
	p, o, got := startTraced(t, "")
	o.send(t, p, "GET", "/", "", "Traceparent", theirParent, "Tracestate", "theirs=1")
	if h := <-got; h.Get("Traceparent") != theirParent || h.Get("Tracestate") != "theirs=1" {
		t.Errorf("the app got %q and %q", h.Get("Traceparent"), h.Get("Tracestate"))
	}
	o.send(t, p, "GET", "/", "")
	if h := <-got; h.Get("Traceparent") != "" {
		t.Errorf("the app got %q of nobody's", h.Get("Traceparent"))
	}
}

// TestSilentCollector: a collector that does not answer slows nothing down.
func TestSilentCollector(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	hang := make(chan struct{})
	c := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer c.Close()
	defer close(hang)
	p, o, got := startTraced(t, "tracing: {endpoint: \""+c.URL+"\", sample: 1}\n")
	begun := time.Now()
	for range 200 {
		o.send(t, p, "GET", "/", "")
		<-got
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("200 requests took %s", took)
	}
}
