package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/cocoom/cocoom-gateway/policy"
	"github.com/cocoom/cocoom-gateway/proxy"
)

func TestTheAppCannotSetOurCookiesOrHeaders(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, c := range []string{"PHPSESSID=1; path=/", "__Host-gw=evil; Secure", "gw=evil", "__secure-gw-login=evil", "=gw=evil", "gw", " gw =evil", "gwen=2"} {
			h.Add("Set-Cookie", c)
		}
		h["X_Gateway-Assertion"] = []string{"evil"}
		h.Set("X-Gateway-Team", "evil")
		h.Set("X-Request-Id", "evil")
		h.Set("Alt-Svc", `h3=":8443"`)
		h.Set("X-App", "kept")
	})
	res, _ := newFront(t, app, &lea, nil).get(t, "/")
	if got, want := res.Header["Set-Cookie"], []string{"PHPSESSID=1; path=/", "gwen=2"}; !slices.Equal(got, want) {
		t.Errorf("cookies %q, want %q", got, want)
	}
	if got := fmt.Sprint(res.Header); strings.Contains(got, "evil") || strings.Contains(got, "h3=") {
		t.Errorf("the app set what is ours: %s", got)
	}
	if res.Header.Get("X-App") != "kept" || res.Header.Get("X-Request-Id") != "req-1" {
		t.Errorf("got %v", res.Header)
	}
}

func TestInternalAddressesBecomePublic(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		value := r.Header.Get("Answer")
		for _, name := range []string{"Location", "Content-Location"} {
			w.Header().Set(name, value)
		}
		w.Header().Set("Refresh", "5; URL='"+value+"'")
	})
	internal := strings.TrimPrefix(app, "http://")
	_, port, _ := strings.Cut(internal, ":")
	f := newFront(t, app, nil, func(c *proxy.Config) { c.Upstream.Host = "app.internal" })
	for value, want := range map[string]string{
		"http://" + internal + "/a?b#c":             origin + "/a?b#c",
		"HTTP://" + internal:                        origin,
		"https://" + internal + "?x":                origin + "?x",
		"//" + internal + "/a%2fb?q=50%":            origin + "/a%2fb?q=50%",
		"http://127.0.0.1/a":                        origin + "/a",
		"http://app.internal/a":                     origin + "/a",
		"http://App.Internal:" + port + "/a":        origin + "/a",
		"http://" + host + "/a":                     origin + "/a",
		"http://" + host + ":80/a":                  origin + "/a",
		"http://" + host + ":" + port + "/a":        origin + "/a",
		origin + "/a":                               origin + "/a",
		"https://" + host + ":9443/a":               "https://" + host + ":9443/a",
		"http://127.0.0.1:1/a":                      "http://127.0.0.1:1/a",
		"http://u@" + internal + "/a":               "http://u@" + internal + "/a",
		"http://" + internal + ".evil.com/":         "http://" + internal + ".evil.com/",
		"https://example.com/?u=http://" + internal: "https://example.com/?u=http://" + internal,
		"/login?next=http://" + internal + "/a":     "/login?next=http://" + internal + "/a",
		"a//" + internal:                            "a//" + internal,
		"javascript://" + internal + "/%0aalert(1)": "javascript://" + internal + "/%0aalert(1)",
		"": "",
	} {
		res, _ := f.get(t, "/", "Answer", value)
		for _, name := range []string{"Location", "Content-Location"} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s %q became %q, want %q", name, value, got, want)
			}
		}
		if got := strings.TrimSuffix(strings.TrimPrefix(res.Header.Get("Refresh"), "5; URL='"), "'"); got != want {
			t.Errorf("Refresh %q became %q, want %q", value, got, want)
		}
	}
}

func TestInformationalAnswers(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.Header().Set("Set-Cookie", "gw=evil")
		w.Header().Set("X-Gateway-Team", "evil")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		io.WriteString(w, "done")
	})
	f := newFront(t, app, &lea, nil)
	var early []http.Header
	req, err := http.NewRequest("GET", f.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			early = append(early, http.Header(h).Clone())
			return nil
		},
	}))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if len(early) != 1 || early[0].Get("Link") == "" || len(early[0]) != 1 {
		t.Errorf("early hints: %v", early)
	}
	if res.Header.Get("X-Request-Id") != "req-1" || res.Header.Get("Link") != "" || res.Header.Get("Set-Cookie") != "" {
		t.Errorf("the gateway's headers must survive a 103: %v", res.Header)
	}
}

func TestAnswerTrailers(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum, X-Gateway-Team")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "1")
		w.Header().Set("X-Gateway-Team", "evil")
		w.Header().Set(http.TrailerPrefix+"Set-Cookie", "gw=evil")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	})
	res, body := newFront(t, app, &lea, nil).get(t, "/")
	if body != "body" || res.Trailer.Get("X-Sum") != "1" || res.Trailer.Get("X-Late") != "2" || strings.Contains(fmt.Sprint(res.Trailer, res.Header), "evil") {
		t.Errorf("body %q, trailers %v, headers %v", body, res.Trailer, res.Header)
	}
}

func TestNothingIsAddedToAnAnswer(t *testing.T) {
	app, _ := newRawApp(t, "HTTP/1.1 203 Odd\r\nContent-Length: 6\r\nConnection: X-Hop\r\nX-Hop: 1\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nX-App: 1\r\n\r\n<html>")
	answer := newFront(t, app, nil, nil).send(t, "GET / HTTP/1.1\nHost: x\nConnection: close\n\n")
	for _, unwanted := range []string{"Content-Type", "X-Hop"} {
		if strings.Contains(answer, unwanted) {
			t.Errorf("%s in %q", unwanted, answer)
		}
	}
	for _, wanted := range []string{"203", "X-App: 1", "Mon, 01 Jan 2024", "Content-Length: 6", "<html>"} {
		if !strings.Contains(answer, wanted) {
			t.Errorf("no %s in %q", wanted, answer)
		}
	}
}

func TestEncodedBodiesAreNotTouched(t *testing.T) {
	app, _ := newRawApp(t, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
	res, body := newFront(t, app, nil, nil).get(t, "/", "Accept-Encoding", "gzip")
	if body != "abc" || res.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%q, %v", body, res.Header)
	}
}

// What an app says in X-Notify is for the gateway alone, whether or not it is
// taken; the page follows when it has been.
func TestInBandNotifications(t *testing.T) {
	app := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Notify"] = []string{"one", "two"}
		w.Header().Set("X_notify", "folded")
		w.Header().Set("Trailer", "X-Notify")
		w.WriteHeader(http.StatusOK)
		w.Header().Set("X-Notify", "late")
	})
	for name, who := range map[string]*policy.Identity{"Léa": &lea, "nobody": nil} {
		for _, taken := range []bool{true, false} {
			var got []string
			f := newFront(t, app, who, func(c *proxy.Config) {
				if taken {
					c.Notify = func(_ context.Context, actor, requestID string, values []string) {
						got = append(got, actor, requestID, strings.Join(values, ","))
					}
				}
			})
			resp, err := http.Get(f.URL + "/")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			var want []string
			if taken && who != nil {
				want = []string{"U0LEA", "req-1", "one,two"}
			} else if taken {
				want = []string{"", "req-1", "one,two"}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: told %q, want %q", name, got, want)
			}
			for _, h := range []http.Header{resp.Header, resp.Trailer} {
				for n := range h {
					if strings.EqualFold(strings.ReplaceAll(n, "_", "-"), "X-Notify") {
						t.Errorf("%s: the client gets %s", name, n)
					}
				}
			}
		}
	}
}
