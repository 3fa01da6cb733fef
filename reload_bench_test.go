package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cocoom/cocoom-gateway/configs"
)

// BenchmarkReload exchanges 10,000 routes: how long reading and building take,
// when one route differs and when all do, and how long requests take meanwhile,
// beside those of the same process at rest.
//
//	go test -run '^$' -bench Reload -benchtime 1x .
func BenchmarkReload(b *testing.B) {
	const routes = 10_000
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.Cleanup(app.Close)
	dir := b.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	text := "state: " + filepath.Join(dir, "data") + "\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\npublic_scheme: http\npublic_port: 80\nroutes:\n"
	for i := range routes {
		text += publicRoute("  - ", app.URL, fmt.Sprintf("r%05d.localhost", i))
	}
	read := func(text string) *configs.Config {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		cfg, err := configs.Load(file, os.Getenv)
		if err != nil {
			b.Fatal(err)
		}
		return cfg
	}
	one := read(text)
	oneOther := read(strings.Replace(text, "s3cret", "another", 1))
	allOther := read(strings.ReplaceAll(text, "s3cret", "another"))
	p, err := start(b.Context(), one, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	b.Cleanup(func() { stop(); <-done })

	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, err := configs.Load(file, os.Getenv); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, other := range map[string]*configs.Config{"one differs": oneOther, "all differ": allOther} {
		b.Run("apply/"+name, func(b *testing.B) {
			next := []*configs.Config{other, one}
			for i := 0; b.Loop(); i++ {
				if err := p.apply(b.Context(), next[i%2]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("requests/"+name, func(b *testing.B) {
			for b.Loop() {
				rest, swaps := latencies(b, p, nil), latencies(b, p, []*configs.Config{other, one})
				for name, all := range map[string][]time.Duration{"rest": rest, "swaps": swaps} {
					b.ReportMetric(float64(all[len(all)/2].Microseconds()), name+"-p50-µs")
					b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), name+"-p99-µs")
					b.ReportMetric(float64(all[len(all)-1].Microseconds()), name+"-max-µs")
				}
			}
		})
	}
}

// latencies are those of requests in a row on a kept connection, for some
// seconds, in which configurations are applied in turn, ten times a second.
func latencies(b *testing.B, p *program, apply []*configs.Config) []time.Duration {
	stop := make(chan struct{})
	var swaps sync.WaitGroup
	if len(apply) > 0 {
		swaps.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
				}
				if err := p.apply(b.Context(), apply[i%len(apply)]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	var all []time.Duration
	for begun := time.Now(); time.Since(begun) < 4*time.Second; {
		req, err := http.NewRequest("GET", "http://"+p.public.addr()+"/", nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Host = "r00042.localhost"
		asked := time.Now()
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp, err)
		}
		resp.Body.Close()
		all = append(all, time.Since(asked))
	}
	close(stop)
	swaps.Wait()
	slices.Sort(all)
	return all
}
