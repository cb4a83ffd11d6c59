package signature_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/security/signature"
)

var secret = []byte("a secret of 256 bits, or nearly so")

// message is a request that anything can be said of. This test writes the signature base itself.
type message struct {
	method, target string
	covered        []string // components, and the values that are signed
	params         string   // behind the list
	header         http.Header
	body           string
	key            any // of the signature: secret, or an ed25519.PrivateKey
	change         func(*http.Request)
}

const digest = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:" // RFC 9530, of {"hello": "world"}

func (m message) request(tb testing.TB) *http.Request {
	tb.Helper()
	var names, lines []string
	for i := 0; i < len(m.covered); i += 2 {
		names = append(names, `"`+m.covered[i]+`"`)
		lines = append(lines, `"`+m.covered[i]+`": `+m.covered[i+1])
	}
	input := "(" + strings.Join(names, " ") + ")" + m.params
	base := strings.Join(append(lines, `"@signature-params": `+input), "\n")
	r := httptest.NewRequest(m.method, m.target, strings.NewReader(m.body))
	if m.body == "" {
		r = httptest.NewRequest(m.method, m.target, http.NoBody)
	}
	maps.Copy(r.Header, m.header)
	var sig []byte
	switch key := m.key.(type) {
	case ed25519.PrivateKey:
		sig = ed25519.Sign(key, []byte(base))
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(base))
		sig = mac.Sum(nil)
	}
	r.Header.Set("Signature-Input", "sig1="+input)
	r.Header.Set("Signature", "sig1=:"+base64.StdEncoding.EncodeToString(sig)+":")
	if m.change != nil {
		m.change(r)
	}
	return r
}

func params(pairs ...any) string {
	p := fmt.Sprintf(`;created=%d;keyid="k1"`, time.Now().Unix())
	if len(pairs) > 0 {
		p = fmt.Sprintf(pairs[0].(string), pairs[1:]...)
	}
	return p
}

func get(change func(*message)) message {
	m := message{
		method: "GET", target: "https://api.example/items?a=b%20c",
		covered: []string{"@method", "GET", "@authority", "api.example", "@path", "/items", "@query", "?a=b%20c"},
		params:  params(), key: secret,
	}
	if change != nil {
		change(&m)
	}
	return m
}

func post(change func(*message)) message {
	m := message{
		method: "POST", target: "https://api.example/items",
		covered: []string{"@method", "POST", "@target-uri", "https://api.example/items", "content-digest", digest},
		params:  params(), key: secret, header: http.Header{"Content-Digest": {digest}}, body: `{"hello": "world"}`,
	}
	if change != nil {
		change(&m)
	}
	return m
}

var public, private, _ = ed25519.GenerateKey(rand.Reader)

func keys(_ context.Context, id string) (signature.Key, error) {
	ann := security.Principal{ID: "ann", Scopes: []string{"read"}}
	switch id {
	case "k1":
		return signature.Key{Secret: secret, Principal: ann}, nil
	case "k2":
		return signature.Key{Public: public, Principal: ann}, nil
	case "weak":
		return signature.Key{Secret: []byte("short"), Principal: ann}, nil
	case "both":
		return signature.Key{Public: public, Secret: secret, Principal: ann}, nil
	case "odd":
		return signature.Key{Public: "a text", Principal: ann}, nil
	case "rsa":
		k, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			return signature.Key{Public: &rsa.PublicKey{}, Principal: ann}, nil //nolint:nilerr // a key that verifies nothing
		}
		return signature.Key{Public: &k.PublicKey, Principal: ann}, nil
	case "p521":
		k, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		return signature.Key{Public: &k.PublicKey, Principal: ann}, nil
	case "p256":
		k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return signature.Key{Public: &k.PublicKey, Principal: ann}, nil
	case "nobody":
		return signature.Key{Secret: secret}, nil
	case "down":
		return signature.Key{}, errors.New("the directory is down")
	}
	return signature.Key{}, fmt.Errorf("%w: no such key", security.ErrCredentials)
}

func newScheme(tb testing.TB, c signature.Config) *signature.Scheme {
	tb.Helper()
	if c.Key == nil {
		c.Key = keys
	}
	s, err := signature.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func with(id string) string { return fmt.Sprintf(`;created=%d;keyid="%s"`, time.Now().Unix(), id) }

func TestScheme(t *testing.T) {
	now := time.Now().Unix()
	for _, row := range []struct {
		name    string
		config  signature.Config
		message message
		ok      bool
	}{
		{"a GET", signature.Config{}, get(nil), true},
		{"a GET signed by ed25519", signature.Config{}, get(func(m *message) { m.key, m.params = private, with("k2")+`;alg="ed25519"` }), true},
		{"a POST with its body's digest", signature.Config{}, post(nil), true},
		{"the request target for path and query", signature.Config{}, get(func(m *message) {
			m.covered = []string{"@method", "GET", "@authority", "api.example", "@request-target", "/items?a=b%20c"}
		}), true},
		{"a body of unknown length", signature.Config{}, post(func(m *message) { m.change = func(r *http.Request) { r.ContentLength = -1 } }), true},
		{"a digest of no body", signature.Config{}, get(func(m *message) {
			const empty = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
			m.header = http.Header{"Content-Digest": {empty}}
			m.covered = append(m.covered, "content-digest", empty)
		}), true},
		{"the tag that is asked for", signature.Config{Tag: "app"}, get(func(m *message) { m.params += `;tag="app"` }), true},
		{"a field that is asked for", signature.Config{Components: []string{"x-tenant"}}, get(func(m *message) {
			m.header = http.Header{"X-Tenant": {"7"}}
			m.covered = append(m.covered, "x-tenant", "7")
		}), true},
		{"a plain request behind TLS", signature.Config{BehindTLS: true}, post(func(m *message) { m.change = func(r *http.Request) { r.TLS = nil } }), true},
		{"made a little in the future", signature.Config{}, get(func(m *message) { m.params = params(`;created=%d;keyid="k1"`, now+20) }), true},

		{"another method", signature.Config{}, get(func(m *message) { m.change = func(r *http.Request) { r.Method = "DELETE" } }), false},
		{"another path", signature.Config{}, get(func(m *message) { m.change = func(r *http.Request) { r.URL.Path = "/admin" } }), false},
		{"another query", signature.Config{}, get(func(m *message) { m.change = func(r *http.Request) { r.URL.RawQuery = "a=c" } }), false},
		{"another host", signature.Config{}, get(func(m *message) { m.change = func(r *http.Request) { r.Host = "other.example" } }), false},
		{"another scheme", signature.Config{}, post(func(m *message) { m.change = func(r *http.Request) { r.TLS = nil } }), false},
		{"another body", signature.Config{}, post(func(m *message) { m.body = `{"hello": "World"}` }), false},
		{"another body and digest", signature.Config{}, post(func(m *message) {
			m.body = "x"
			m.change = func(r *http.Request) {
				r.Header.Set("Content-Digest", "sha-256=:LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=:")
			}
		}), false},
		{"a body without a digest", signature.Config{}, get(func(m *message) { m.body = "x" }), false},
		{"a digest of another body where there is none", signature.Config{}, get(func(m *message) {
			m.header = http.Header{"Content-Digest": {digest}}
			m.covered = append(m.covered, "content-digest", digest)
		}), false},
		{"a digest that is not covered", signature.Config{}, get(func(m *message) { m.header = http.Header{"Content-Digest": {digest}} }), false},
		{"the method is not covered", signature.Config{}, get(func(m *message) { m.covered = m.covered[2:] }), false},
		{"the authority is not covered", signature.Config{}, get(func(m *message) { m.covered = append(m.covered[:2:2], m.covered[4:]...) }), false},
		{"the path is not covered", signature.Config{}, get(func(m *message) { m.covered = append(m.covered[:4:4], m.covered[6:]...) }), false},
		{"the query is not covered", signature.Config{}, get(func(m *message) { m.covered = m.covered[:6] }), false},
		{"nothing is covered", signature.Config{}, get(func(m *message) { m.covered = nil }), false},
		{"a field that is asked for is not covered", signature.Config{Components: []string{"x-tenant"}}, get(nil), false},
		{"another tag", signature.Config{Tag: "app"}, get(func(m *message) { m.params += `;tag="other"` }), false},
		{"no tag", signature.Config{Tag: "app"}, get(nil), false},
		{"a covered field that is missing", signature.Config{}, get(func(m *message) { m.covered = append(m.covered, "x-a", "b") }), false},
		{"too old", signature.Config{}, get(func(m *message) { m.params = params(`;created=%d;keyid="k1"`, now-301) }), false},
		{"made in the future", signature.Config{}, get(func(m *message) { m.params = params(`;created=%d;keyid="k1"`, now+60) }), false},
		{"no created", signature.Config{}, get(func(m *message) { m.params = `;keyid="k1"` }), false},
		{"expired", signature.Config{}, get(func(m *message) { m.params += fmt.Sprintf(";expires=%d", now-1) }), false},
		{"an expires that is no time", signature.Config{}, get(func(m *message) { m.params += `;expires="never"` }), false},
		{"no keyid", signature.Config{}, get(func(m *message) { m.params = params(`;created=%d`, now) }), false},
		{"a huge keyid", signature.Config{}, get(func(m *message) { m.params = with(strings.Repeat("k", 300)) }), false},
		{"an unknown key", signature.Config{}, get(func(m *message) { m.params = with("k9") }), false},
		{"a key that is another's", signature.Config{}, get(func(m *message) { m.params = with("k2") }), false},
		{"the public key as a shared secret", signature.Config{}, get(func(m *message) { m.params, m.key = with("k2"), []byte(public) }), false},
		{"another algorithm than the key's", signature.Config{}, get(func(m *message) { m.params += `;alg="ed25519"` }), false},
		{"a weak secret", signature.Config{}, get(func(m *message) { m.params, m.key = with("weak"), []byte("short") }), false},
		{"a key that is two", signature.Config{}, get(func(m *message) { m.params, m.key = with("both"), private }), false},
		{"a key of another kind", signature.Config{}, get(func(m *message) { m.params = with("odd") }), false},
		{"a weak RSA key", signature.Config{}, get(func(m *message) { m.params = with("rsa") }), false},
		{"a curve that RFC 9421 does not have", signature.Config{}, get(func(m *message) { m.params = with("p521") }), false},
		{"a signature of the wrong size", signature.Config{}, get(func(m *message) { m.params = with("p256") }), false},
		{"a Signature-Input that is none", signature.Config{}, get(func(m *message) { m.change = func(r *http.Request) { r.Header.Set("Signature-Input", "!") } }), false},
		{"a Signature that is none", signature.Config{}, get(func(m *message) { m.change = func(r *http.Request) { r.Header.Set("Signature", "!") } }), false},
		{"no Signature", signature.Config{}, get(func(m *message) { m.change = func(r *http.Request) { r.Header.Del("Signature") } }), false},
		{"a Signature of another label", signature.Config{}, get(func(m *message) { m.change = func(r *http.Request) { r.Header.Set("Signature", "sig2=:aGk=:") } }), false},
	} {
		r := row.message.request(t)
		s := newScheme(t, row.config)
		if _, claimed := s.Claim(r); !claimed {
			t.Errorf("%s: not claimed", row.name)
		}
		p, err := s.Authenticate(r)
		if (err == nil) != row.ok || err != nil && !errors.Is(err, security.ErrCredentials) {
			t.Errorf("%s: %+v, %v", row.name, p, err)
		}
		if row.ok {
			body, _ := io.ReadAll(r.Body)
			if p.ID != "ann" || p.Scheme != "signature" || p.KeyID == "" || string(body) != row.message.body || r.Body.Close() != nil {
				t.Errorf("%s: %+v, body %q", row.name, p, body)
			}
		}
	}
}

// A length of 0 that an adapter says because it does not know it hides no body from the signature.
func TestBodyOfUnsaidLengthMustBeCovered(t *testing.T) {
	s := newScheme(t, signature.Config{})
	for _, row := range []struct {
		name, body string
		ok         bool
	}{{"the signed body", `{"hello": "world"}`, true}, {"another body", `{"hello": "thief"}`, false}, {"no body", "", false}} {
		r := post(nil).request(t)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(row.body)), 0
		if _, err := s.Authenticate(r); (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	r := get(nil).request(t)
	r.Method, r.Body, r.ContentLength = "GET", io.NopCloser(strings.NewReader("more than was signed")), 0
	if _, err := s.Authenticate(r); err == nil {
		t.Error("a body was put behind a signature that covers none")
	}
}

func TestSchemeWhatIsNotTheClientsFault(t *testing.T) {
	if _, err := newScheme(t, signature.Config{}).Authenticate(get(func(m *message) { m.params = with("down") }).request(t)); err == nil || errors.Is(err, security.ErrCredentials) {
		t.Errorf("keys that cannot be looked up: %v", err)
	}
	if _, err := newScheme(t, signature.Config{}).Authenticate(get(func(m *message) { m.params = with("nobody") }).request(t)); err == nil || errors.Is(err, security.ErrCredentials) {
		t.Errorf("a key of nobody: %v", err)
	}
	for _, declared := range []bool{true, false} {
		m := post(func(m *message) {
			m.change = func(r *http.Request) {
				if !declared {
					r.ContentLength = -1
				}
			}
		})
		if _, err := newScheme(t, signature.Config{MaxBody: 10}).Authenticate(m.request(t)); !errors.Is(err, security.ErrBodyTooLarge) {
			t.Errorf("a large body, declared %v: %v", declared, err)
		}
	}
	broken := post(func(m *message) {
		m.change = func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), failing{})) }
	})
	if _, err := newScheme(t, signature.Config{}).Authenticate(broken.request(t)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a connection that breaks: %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestSchemeTakesANonceOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]time.Time{}
		var failure error
		s := newScheme(t, signature.Config{MaxAge: time.Minute, Fresh: func(_ context.Context, id, nonce string, until time.Time) (bool, error) {
			_, known := seen[id+nonce]
			seen[id+nonce] = until
			return !known, failure
		}})
		m := get(func(m *message) { m.params = with("k1") + `;nonce="n1"` })
		if _, err := s.Authenticate(m.request(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Authenticate(m.request(t)); !errors.Is(err, security.ErrCredentials) || !strings.Contains(err.Error(), "used before") {
			t.Errorf("the second time: %v", err)
		}
		if until := seen["k1n1"]; time.Until(until) > time.Minute {
			t.Errorf("remembered until %v", until)
		}
		if _, err := s.Authenticate(get(nil).request(t)); !errors.Is(err, security.ErrCredentials) {
			t.Errorf("no nonce: %v", err)
		}
		failure = errors.New("the store is down")
		m = get(func(m *message) { m.params = with("k1") + `;nonce="n2"` })
		if _, err := s.Authenticate(m.request(t)); !errors.Is(err, failure) {
			t.Errorf("a store that fails: %v", err)
		}
	})
}

func TestSchemeLooksAtSeveralSignatures(t *testing.T) {
	r := get(nil).request(t)
	r.Header.Set("Signature-Input", `other=("date");created=1, item=7, `+r.Header.Get("Signature-Input"))
	r.Header.Set("Signature", `other=:aGk=:, item=:aGk=:, `+r.Header.Get("Signature"))
	if _, err := newScheme(t, signature.Config{}).Authenticate(r); err != nil {
		t.Errorf("a good one among others: %v", err)
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := signature.New(signature.Config{Components: []string{"", "Date", "a b"}, MaxAge: -1, MaxBody: -1})
	want := `signature: Config.Key must not be nil
signature: Config.Components[0] = "" must be a field name in lower case or a derived component
signature: Config.Components[1] = "Date" must be a field name in lower case or a derived component
signature: Config.Components[2] = "a b" must be a field name in lower case or a derived component
signature: Config.MaxAge = -1ns must be 0 to 24h0m0s
signature: Config.MaxBody = -1 must not be negative`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
}

func ExampleNew() {
	clients := map[string]crypto.PublicKey{"client-1": public}
	scheme, err := signature.New(signature.Config{Key: func(_ context.Context, id string) (signature.Key, error) {
		key, ok := clients[id]
		if !ok {
			return signature.Key{}, security.ErrCredentials
		}
		return signature.Key{Public: key, Principal: security.Principal{ID: id}}, nil
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	access, err := security.NewAccess(security.AccessConfig{Schemes: []security.Scheme{scheme}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	access.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil)) // not signed
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"), scheme.Challenge(security.ErrScope, nil) == "")
	// Output: 401 Signature realm="api" true
}

func FuzzAuthenticate(f *testing.F) {
	r := get(nil).request(f)
	f.Add(r.Header.Get("Signature-Input"), r.Header.Get("Signature"))
	f.Add(`sig1=("@method")`, `sig1=:aGk=:`)
	s := newScheme(f, signature.Config{})
	f.Fuzz(func(t *testing.T, input, sig string) {
		r := httptest.NewRequest("GET", "https://api.example/other", nil)
		r.Header["Signature-Input"], r.Header["Signature"] = []string{input}, []string{sig}
		if p, err := s.Authenticate(r); err == nil {
			t.Fatalf("%q %q: %+v", input, sig, p)
		}
	})
}
