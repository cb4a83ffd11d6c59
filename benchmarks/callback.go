package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/gob"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gorilla/securecookie"
	"github.com/oauth2-proxy/oauth2-proxy/v7/pkg/app/redirect"
	proxylogger "github.com/oauth2-proxy/oauth2-proxy/v7/pkg/logger"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// callbackCases measure what the return of a browser costs: the decision where to send it, and what it keeps for the server.
func callbackCases(_ string) []measure.Case {
	proxylogger.SetOutput(io.Discard)
	proxylogger.SetErrOutput(io.Discard)
	return []measure.Case{
		returnCase("a path", "/projects/1/files/src/main.go?line=10#L10-L20"),
		returnCase("an absolute URL", "https://app.example.com/projects/1/files/src/main.go?line=10"),
		sealCase(),
		openCase(),
		sessionCase(),
		wholeReturnCase(),
	}
}

// returnCase measures the check of one target that is allowed. Only ours and oauth2-proxy's refuse what a browser would misread.
func returnCase(name, target string) measure.Case {
	ours := made(callback.NewReturnTo("https://app.example.com"))
	theirs := redirect.NewValidator([]string{"app.example.com"})
	absolute := !strings.HasPrefix(target, "/")
	naive := func(u *url.URL, err error) bool {
		return err == nil && (u.Host == "" || absolute && u.Scheme == "https" && u.Host == "app.example.com")
	}
	return measure.Case{
		Name: "return target: " + name,
		Bars: []measure.Bar{{Quantity: measure.Nanoseconds, AtMost: 450}, {Quantity: measure.Allocs, AtMost: 1}},
		Contenders: []measure.Contender{
			{Name: "gatehouse ReturnTo", Kind: measure.Ours, Do: func(n int) {
				for range n {
					made(ours.Resolve(target))
				}
			}},
			{Name: "oauth2-proxy Validator", Kind: measure.Peer, Do: passing(func() bool { return theirs.IsValidRedirect(target) })},
			{Name: "url.Parse and the host (lets attackers pass)", Kind: measure.Aside, Do: passing(func() bool { return naive(url.Parse(target)) })},
			{Name: "strings.HasPrefix (lets attackers pass)", Kind: measure.Aside, Do: passing(func() bool {
				return strings.HasPrefix(target, "/") || absolute && strings.HasPrefix(target, "https://app.example.com")
			})},
		},
	}
}

func passing(check func() bool) func(int) {
	return func(n int) {
		for range n {
			if !check() {
				panic("a good target was refused")
			}
		}
	}
}

// sealedSize is the size of the value that is sealed, in bytes.
const sealedSize = 500

// sealer is one way to seal a value. The bare cipher knows neither a key's id nor a time after which the value is worth nothing.
type sealer struct {
	name string
	kind measure.Kind
	seal func(value []byte) string
	open func(sealed string) []byte
}

func sealers() []sealer {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	keys := made(callback.NewKeyring(key))
	gcm := made(cipher.NewGCM(made(aes.NewCipher(key))))
	gorilla := securecookie.New(key, key)
	const name = "__Host-session"
	expires := time.Now().Add(time.Hour)
	return []sealer{
		{"AES-256-GCM alone", measure.Peer, func(value []byte) string {
			nonce := make([]byte, gcm.NonceSize())
			_, _ = rand.Read(nonce)
			return base64.RawURLEncoding.EncodeToString(gcm.Seal(nonce, nonce, value, nil))
		}, func(sealed string) []byte {
			b := made(base64.RawURLEncoding.DecodeString(sealed))
			return made(gcm.Open(nil, b[:gcm.NonceSize()], b[gcm.NonceSize():], nil))
		}},
		{"gatehouse Keyring", measure.Ours, func(value []byte) string {
			return keys.Seal("session", name, value, expires)
		}, func(sealed string) []byte {
			value, _, err := keys.Open("session", name, sealed)
			return made(value, err)
		}},
		{"gorilla/securecookie, gob", measure.Peer, func(value []byte) string {
			return made(gorilla.Encode(name, value))
		}, func(sealed string) []byte {
			var value []byte
			must(gorilla.Decode(name, sealed, &value))
			return value
		}},
	}
}

func sealCase() measure.Case {
	return sealerCase("seal %d bytes for a cookie", 1498, func(s sealer, value []byte) (string, func(int)) {
		return fmt.Sprintf("%s: %d characters", s.name, len(s.seal(value))), func(n int) {
			for range n {
				if s.seal(value) == "" {
					panic("nothing was sealed")
				}
			}
		}
	})
}

func openCase() measure.Case {
	return sealerCase("open %d sealed bytes", 1087, func(s sealer, value []byte) (string, func(int)) {
		sealed := s.seal(value)
		return s.name, func(n int) {
			for range n {
				if len(s.open(sealed)) != sealedSize {
					panic("what was sealed is not what was opened")
				}
			}
		}
	})
}

// sealerCase has each sealer do a job, of which bar is the most nanoseconds.
func sealerCase(name string, bar float64, job func(sealer, []byte) (string, func(int))) measure.Case {
	c := measure.Case{
		Name: fmt.Sprintf(name, sealedSize),
		Bars: []measure.Bar{{Quantity: measure.Nanoseconds, AtMost: bar}, {Quantity: measure.TimesPeer, AtMost: 1.1}, {Quantity: measure.Allocs, AtMost: 1}},
	}
	value := made(randomBytes(sealedSize))
	for _, s := range sealers() {
		text, do := job(s, value)
		c.Contenders = append(c.Contenders, measure.Contender{Name: text, Kind: s.kind, Do: do})
	}
	return c
}

func randomBytes(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(rand.Reader, b)
	return b, err
}

// person is what a session remembers.
type person struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// sessionCase measures finding the user of a request: what every request of a page behind a login pays.
func sessionCase() measure.Case {
	who := person{"ana", strings.Repeat("x", sealedSize-len("ana"))}
	read := func(sessions *callback.Sessions[person]) func(int) {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
		must(sessions.Start(w, r, who))
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
		return func(n int) {
			for range n {
				if made(sessions.Session(r)).Subject != "ana" {
					panic("somebody else")
				}
			}
		}
	}
	key := made(randomBytes(32))
	config := callback.SessionsConfig[person]{Keys: made(callback.NewKeyring(key))}
	stored := config
	stored.Store, stored.Subject = made(callback.NewMemorySessions(callback.MemorySessionsConfig{MaxSessions: 100})), func(p person) string { return p.Subject }
	return measure.Case{
		Name: fmt.Sprintf("find the user of a request, a session of %d bytes", sealedSize),
		Bars: []measure.Bar{{Quantity: measure.TimesPeer, AtMost: 0.5}},
		Contenders: []measure.Contender{
			{Name: "gatehouse Sessions, sealed cookie", Kind: measure.Ours, Do: read(made(callback.NewSessions(config)))},
			{Name: "gatehouse Sessions, memory store", Kind: measure.Ours, Do: read(made(callback.NewSessions(stored)))},
			{Name: "scs, memory store", Kind: measure.Peer, Do: scsRead(who)},
		},
	}
}

func scsRead(who person) func(int) {
	gob.Register(person{})
	manager := scs.New()
	var token string
	write := manager.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { manager.Put(r.Context(), "user", who) }))
	w := httptest.NewRecorder()
	write.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil))
	for _, c := range w.Result().Cookies() {
		token = c.Value
	}
	return func(n int) {
		for range n {
			ctx := made(manager.Load(context.Background(), token))
			if p, ok := manager.Get(ctx, "user").(person); !ok || p.Subject != "ana" {
				panic("somebody else")
			}
		}
	}
}

// wholeReturnCase measures a flow from its beginning to the session: two requests, without the third party between them.
func wholeReturnCase() measure.Case {
	handler := made(callback.New(callback.Config[person]{
		Redeem:   func(context.Context, string) (person, error) { return person{Subject: "ana"}, nil },
		ReturnTo: made(callback.NewReturnTo("https://app.example.com")), Keys: made(callback.NewKeyring(made(randomBytes(32)))),
	}))
	return measure.Case{
		Name: "begin a flow, and take its return: two requests",
		Contenders: []measure.Contender{
			{Name: "two bare redirects, each with a cookie", Kind: measure.Limit, Do: func(n int) {
				for range n {
					for range 2 {
						w := &discardWriter{header: http.Header{}}
						r := callbackRequest("/callback", "flow=x")
						http.SetCookie(w, &http.Cookie{Name: "session", Value: rand.Text(), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
						http.Redirect(w, r, "/inbox", http.StatusSeeOther)
					}
				}
			}},
			{Name: "gatehouse Handler", Kind: measure.Ours, Do: func(n int) {
				for range n {
					w := &discardWriter{header: http.Header{}}
					params := made(handler.Start(w, callbackRequest("/login?redirect_url=%2Finbox", "")))
					params.Set("session_token", rand.Text())
					cookie, _, _ := strings.Cut(w.header.Get("Set-Cookie"), ";")
					clear(w.header)
					handler.ServeHTTP(w, callbackRequest("/callback?"+params.Encode(), cookie))
					if w.header.Get("Location") != "/inbox" {
						panic("the return was refused")
					}
				}
			}},
		},
	}
}

func callbackRequest(target, cookie string) *http.Request {
	u := made(url.Parse(target))
	r := (&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}).WithContext(context.Background())
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	return r
}
