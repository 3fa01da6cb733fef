package gateway_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cocoom/cocoom-gateway/internal/slacksim"
)

// forger makes ID tokens: with a key that the provider publishes, and without.
type forger struct {
	t    *testing.T
	own  *rsa.PrivateKey // published
	evil *rsa.PrivateKey // not
	ec   *ecdsa.PrivateKey
}

func newForger(t *testing.T) *forger {
	f := &forger{t: t}
	var errs [3]error
	f.own, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	f.evil, errs[1] = rsa.GenerateKey(rand.Reader, 2048)
	f.ec, errs[2] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	for _, err := range errs {
		must(t, err)
	}
	return f
}

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func jwk(key *rsa.PublicKey, kid string) map[string]any {
	return map[string]any{"kty": "RSA", "kid": kid, "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
}

// token signs claims under a header of any kind.
func (f *forger) token(header map[string]any, claims any, sign func(signed []byte) []byte) string {
	h, err := json.Marshal(header)
	must(f.t, err)
	c, err := json.Marshal(claims)
	must(f.t, err)
	signed := b64(h) + "." + b64(c)
	return signed + "." + b64(sign([]byte(signed)))
}

func (f *forger) by(key *rsa.PrivateKey) func([]byte) []byte {
	return func(signed []byte) []byte {
		sum := sha256.Sum256(signed)
		s, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		must(f.t, err)
		return s
	}
}

func hs256(key []byte) func([]byte) []byte {
	return func(signed []byte) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write(signed)
		return mac.Sum(nil)
	}
}

func rs256(more ...any) map[string]any {
	h := map[string]any{"alg": "RS256", "typ": "JWT", "kid": "own"}
	for i := 0; i < len(more); i += 2 {
		h[more[i].(string)] = more[i+1]
	}
	return h
}

// makes of claims a token of the forger's; nil claims none.
type makes func(f *forger, c jwt.MapClaims) string

// with is a token that is good but for one claim; nil leaves it out.
func with(name string, value any) makes {
	return func(f *forger, c jwt.MapClaims) string {
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return f.token(rs256(), c, f.by(f.own))
	}
}

// under is a token of good claims under a header, signed by the wrong key.
func under(more ...any) makes {
	return func(f *forger, c jwt.MapClaims) string { return f.token(rs256(more...), c, f.by(f.evil)) }
}

func forgedSignatures(elsewhere string) map[string]makes {
	all := map[string]makes{
		"signed by another key": under(), "kid that is a path": under("kid", "../../../../dev/null"), "kid that is an address": under("kid", elsewhere),
		"kid that is SQL": under("kid", "' OR 1=1 --"), "no kid": under("kid", ""), "jku": under("jku", elsewhere), "x5u": under("x5u", elsewhere),
		"a critical extension": under("crit", []string{"b64"}, "b64", false),
		"its key in the header": func(f *forger, c jwt.MapClaims) string {
			return f.token(rs256("jwk", jwk(&f.evil.PublicKey, "own")), c, f.by(f.evil))
		},
		"ES256 where RS256 is announced": func(f *forger, c jwt.MapClaims) string {
			return f.token(rs256("alg", "ES256", "kid", "ec"), c, func(signed []byte) []byte {
				sum := sha256.Sum256(signed)
				r, s, err := ecdsa.Sign(rand.Reader, f.ec, sum[:])
				must(f.t, err)
				return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
			})
		},
		"the other form of JWS": func(f *forger, c jwt.MapClaims) string {
			parts := strings.Split(f.token(rs256(), c, f.by(f.own)), ".")
			return fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, parts[1], parts[0], parts[2])
		},
		"a signature as large as an answer": func(f *forger, c jwt.MapClaims) string {
			return f.token(rs256("kid", "huge"), c, func([]byte) []byte { return append([]byte{1}, make([]byte, hugeKey/8-1)...) })
		},
		"a token of 200 kB": with("padding", strings.Repeat("x", 200<<10)),
		"a signature by the weak key": func(f *forger, c jwt.MapClaims) string {
			return f.token(rs256("kid", "weak"), c, func([]byte) []byte { return make([]byte, 64) })
		},
		"rubbish":                   func(*forger, jwt.MapClaims) string { return "a.b.c" },
		"a number of dots":          func(*forger, jwt.MapClaims) string { return strings.Repeat(".", 20_000) },
		"cut off":                   func(f *forger, c jwt.MapClaims) string { s := f.token(rs256(), c, f.by(f.own)); return s[:len(s)-4] },
		"claims that are no object": func(f *forger, _ jwt.MapClaims) string { return f.token(rs256(), []string{"x"}, f.by(f.own)) },
		"the claims of another's token": func(f *forger, c jwt.MapClaims) string {
			good := f.token(rs256(), c, f.by(f.own))
			c["sub"] = "U0PAUL"
			p := strings.Split(f.token(rs256(), c, f.by(f.evil)), ".")
			return p[0] + "." + p[1] + good[strings.LastIndexByte(good, '.'):]
		},
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		all["alg "+alg] = func(f *forger, c jwt.MapClaims) string {
			return f.token(rs256("alg", alg), c, func([]byte) []byte { return nil })
		}
	}
	for name, form := range map[string]func(*rsa.PublicKey) []byte{
		"PEM": func(k *rsa.PublicKey) []byte {
			return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix(k)})
		},
		"DER": pkix, "modulus": func(k *rsa.PublicKey) []byte { return k.N.Bytes() }, "nothing": func(*rsa.PublicKey) []byte { return nil },
	} {
		all["HS256 by the public key as "+name] = func(f *forger, c jwt.MapClaims) string {
			return f.token(rs256("alg", "HS256"), c, hs256(form(&f.own.PublicKey)))
		}
	}
	return all
}

func pkix(k *rsa.PublicKey) []byte {
	der, _ := x509.MarshalPKIXPublicKey(k) // of an RSA key it cannot fail
	return der
}

func forgedClaims() map[string]makes {
	now := time.Now()
	const team, user = "https://slack.com/team_id", "https://slack.com/user_id"
	all := map[string]makes{
		"issuer with a slash more": func(f *forger, c jwt.MapClaims) string { return with("iss", c["iss"].(string)+"/")(f, c) }, "issuer in a list": func(f *forger, c jwt.MapClaims) string { return with("iss", []any{c["iss"]})(f, c) },
		"no issuer": with("iss", nil), "audience that begins with ours": with("aud", "client-01"), "no audience": with("aud", nil), "audience of nobody": with("aud", []string{}),
		"ours among the audience of others": with("aud", []string{"client-1", "client-0"}), "authorized party another": with("azp", "client-1"),
		"nonce in a list": func(f *forger, c jwt.MapClaims) string { return with("nonce", []any{c["nonce"]})(f, c) }, "empty nonce": with("nonce", ""), "nonce true": with("nonce", true),
		"no expiry": with("exp", nil), "expiry below zero": with("exp", -1), "expiry in words": with("exp", "tomorrow"), "expiry in the past": with("exp", now.Add(-time.Hour).Unix()),
		"not before next week": with("nbf", now.Add(7*24*time.Hour).Unix()), "another team": with(team, teams[1]), "the team in lower case": with(team, strings.ToLower(teams[0])),
		"the team with a blank": with(team, teams[0]+" "), "two teams": with(team, []string{teams[0], teams[1]}),
		"user with a slash": with(user, "U0/../U0PAUL"), "user with a line": with(user, "U0MARIE\nX: y"), "user of 10 kB": with(user, strings.Repeat("U", 10<<10)),
		"e-mail not verified": with("email_verified", false), "e-mail verified by a number": with("email_verified", 1), "verified nobody says": with("email_verified", nil),
		"distributed claims": with("_claim_names", map[string]string{"email": "src"}),
	}
	for name, email := range map[string]string{"two @": "marie@agrafmania.fr@evil.example", "a line": "marie@agrafmania.fr\r\nX: y", "10 kB": strings.Repeat("m", 10<<10) + "@agrafmania.fr",
		"a blank": "marie @agrafmania.fr", "a hard blank": "marie\u00a0@agrafmania.fr", "a turn": "\u202emarie@agrafmania.fr", "a C1 control": "marie\u0085@agrafmania.fr", "no @": "marie", "nothing behind": "marie@", "what could not be read": "mari\ufffd@agrafmania.fr"} {
		all["e-mail with "+name] = with("email", email)
	}
	return all
}

// hugeKey is the bits of an RSA key that fits into a bounded answer.
const hugeKey = 2 << 20

func hugeJWK() map[string]any {
	huge := new(big.Int).Lsh(big.NewInt(1), hugeKey-1)
	return map[string]any{"kty": "RSA", "kid": "huge", "n": b64(huge.SetBit(huge, 0, 1).Bytes()), "e": "AQAB"}
}

// publish has the provider give out the forger's keys besides those that nobody
// should trust: weak, on another curve than they say, no public ones, and more.
func (f *forger) publish(w *world, more ...map[string]any) {
	keys := []any{jwk(&f.own.PublicKey, "own"),
		map[string]any{"kty": "RSA", "kid": "weak", "n": b64(new(big.Int).Lsh(big.NewInt(3), 510).Bytes()), "e": "AQ"},
		map[string]any{"kty": "EC", "crv": "P-256", "kid": "ec", "x": b64(f.ec.X.FillBytes(make([]byte, 32))), "y": b64(f.ec.Y.FillBytes(make([]byte, 32)))},
		map[string]any{"kty": "oct", "kid": "oct", "k": "AAAA"}}
	for _, key := range more {
		keys = append(keys, key)
	}
	all, err := json.Marshal(map[string]any{"keys": keys})
	must(f.t, err)
	w.slack.Fault(slacksim.Fault{Method: "keys", Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write(all)
	}})
}

// arrives signs Marie in with what make makes of her token.
func (f *forger) arrives(w *world, make makes) answer {
	w.slack.ClearFaults()
	f.publish(w)
	w.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.Forged, Forge: func(c jwt.MapClaims) string { return make(f, c) }})
	return w.browser().signIn(w.routes[0].Origin+"/", teams[0], "U0MARIE")
}

// TestAttackForgedIDToken: tokens that others have signed, or nobody, and good
// signatures under what is not meant for this sign-in. Each is refused in a
// moment; the honest ones among them are not.
func TestAttackForgedIDToken(t *testing.T) {
	w, f := newWorld(t), newForger(t)
	asked := make(chan string, 100)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	t.Cleanup(elsewhere.Close)
	for name, honest := range map[string]makes{
		"as it is": with("x", 1), "audience in a list": with("aud", []string{"client-0"}), "authorized party ours": with("azp", "client-0"),
		"others in the audience, and we are authorized": func(f *forger, c jwt.MapClaims) string {
			c["azp"] = "client-0"
			return with("aud", []string{"client-0", "api"})(f, c)
		},
		"a name to obey":          with("name", "Marie\r\nX-Forwarded-Email: boss@agrafmania.fr\x1b[2J\u202e<script>"),
		"a kid that is not there": func(f *forger, c jwt.MapClaims) string { return f.token(rs256("kid", ""), c, f.by(f.own)) },
	} {
		t.Run("honest: "+name, func(t *testing.T) {
			if got := f.arrives(w, honest); got.StatusCode != http.StatusFound || got.Header.Get("Location") != w.routes[0].Origin+"/" {
				t.Errorf("answered %d %s", got.StatusCode, title(got.text))
			}
		})
	}
	for _, table := range []map[string]makes{forgedSignatures(elsewhere.URL), forgedClaims()} {
		for name, forged := range table {
			t.Run(name, func(t *testing.T) {
				begun := time.Now()
				got := f.arrives(w, forged)
				if got.StatusCode < 400 || len(got.Cookies()) > 0 && got.Cookies()[0].Name == "gw" {
					t.Errorf("answered %d, with %v", got.StatusCode, got.Cookies())
				}
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("took %s", took)
				}
			})
		}
	}
	if len(asked) > 0 {
		t.Errorf("an address in a token was asked for %s", <-asked)
	}
}

// TestAttackManyAndHugeKeys: keys that take long to reckon with are not reckoned
// with. A token without kid is held against each.
func TestAttackManyAndHugeKeys(t *testing.T) {
	f := newForger(t)
	many := make([]map[string]any, 2500) // an answer full of them
	for i := range many {
		many[i] = jwk(&f.evil.PublicKey, fmt.Sprint(i))
	}
	huge, hidden := hugeJWK(), hugeJWK()
	hidden["N"], hidden["kty"] = "AQAB", "RSA"
	for name, keys := range map[string][]map[string]any{"many": many, "a huge one": {huge}, "a huge one behind a small one": {{"n": 1, "kty": "x"}, hidden}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			f.publish(w, keys...)
			w.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.Forged, Forge: func(c jwt.MapClaims) string {
				return f.token(rs256("kid", ""), c, func([]byte) []byte { return append([]byte{1}, make([]byte, 255)...) })
			}})
			begun := time.Now()
			got := w.browser().signIn(w.routes[0].Origin+"/", teams[0], "U0MARIE")
			if took := time.Since(begun); got.StatusCode != 502 || took > 5*time.Second {
				t.Errorf("answered %d %s after %s", got.StatusCode, title(got.text), took)
			}
		})
	}
}

// TestAttackUserInfo: what userInfo may say of a person whose ID token says only
// who they are.
func TestAttackUserInfo(t *testing.T) {
	w, f := newWorld(t), newForger(t)
	const said = `{"ok":true,"sub":"U0MARIE","email":"marie@agrafmania.fr","email_verified":true,"https://slack.com/team_id":"T0AGRAF001","https://slack.com/user_id":"U0MARIE"}`
	for name, row := range map[string]struct {
		answer string
		status int
	}{
		"honest":                    {said, 302},
		"about another":             {strings.Replace(said, "U0MARIE", "U0PAUL", 1), 502},
		"about nobody":              {strings.Replace(said, `"sub":"U0MARIE",`, "", 1), 502},
		"of another team":           {strings.Replace(said, teams[0], teams[1], 1), 403},
		"of the team in lower case": {strings.Replace(said, teams[0], strings.ToLower(teams[0]), 1), 403},
		"of no team":                {strings.Replace(said, teams[0], "", 1), 403},
		"with nothing verified":     {strings.Replace(said, `"email_verified":true`, `"email_verified":"false"`, 1), 403},
		"with a list of addresses":  {strings.Replace(said, `"marie@agrafmania.fr"`, `["marie@agrafmania.fr"]`, 1), 502},
		"ok false":                  {`{"ok":false,"error":"\u001b[2J"}`, 502},
		"nothing":                   {``, 502},
	} {
		t.Run(name, func(t *testing.T) {
			w.slack.ClearFaults()
			f.publish(w)
			w.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.Forged, Forge: func(c jwt.MapClaims) string {
				for _, claim := range []string{"email", "email_verified", "https://slack.com/team_id", "https://slack.com/user_id"} {
					delete(c, claim)
				}
				return f.token(rs256(), c, f.by(f.own))
			}})
			w.slack.Fault(slacksim.Fault{Method: "openid.connect.userInfo", Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Type", "application/json")
				fmt.Fprint(rw, row.answer)
			}})
			if got := w.browser().signIn(w.routes[0].Origin+"/", teams[0], "U0MARIE"); got.StatusCode != row.status {
				t.Errorf("answered %d %s, want %d", got.StatusCode, title(got.text), row.status)
			}
		})
	}
	w.slack.ClearFaults()
	w.slack.Fault(slacksim.Fault{Method: "openid.connect.userInfo", Kind: slacksim.Custom, Answer: func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(rw, r.Header) // as the error page of a proxy
	}})
	f.publish(w)
	w.slack.Fault(slacksim.Fault{Method: "openid.connect.token", Kind: slacksim.Forged, Forge: func(c jwt.MapClaims) string {
		return with("email", nil)(f, c)
	}})
	w.browser().signIn(w.routes[0].Origin+"/", teams[0], "U0MARIE")
	if strings.Contains(w.log.String(), "xoxp-") || strings.Contains(w.log.String(), "Bearer") {
		t.Errorf("a token is in the log: %s", w.log)
	}
}
