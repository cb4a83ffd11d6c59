package revalidate_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/sample"
	"github.com/gatehouse-go/gatehouse/revalidate"
)

func newEndpoint(tb testing.TB, c revalidate.EndpointConfig) http.Handler {
	tb.Helper()
	e, err := revalidate.NewEndpoint(c)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func ExampleNewEndpoint() {
	cache, err := revalidate.New(revalidate.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	endpoint, err := revalidate.NewEndpoint(revalidate.EndpointConfig{
		Cache:  cache,
		Tokens: []string{"s3cret"},
		Mode:   revalidate.ModeExpire,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/webhook", endpoint)
	for _, query := range []string{"?tag=posts", "?token=s3cret", "?token=s3cret&tag=posts"} {
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/webhook"+query, nil))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 401 {"success":false}
	// 400 {"success":false}
	// 200 {"success":true}
}

// tagged is a cache with one value, and a func that says what became of it.
func tagged(tb testing.TB, tag string) (*revalidate.Cache, func() string) {
	tb.Helper()
	ctx := context.Background()
	cache := newCache(tb, revalidate.Config{Logger: silent()})
	o := revalidate.Options{Tags: []string{tag}}
	if err := revalidate.Set(ctx, cache, "key", o, "old"); err != nil {
		tb.Fatal(err)
	}
	return cache, func() string {
		before := cache.Metrics()
		v, err := revalidate.Get(ctx, cache, "key", o, func(context.Context) (string, error) { return "new", nil })
		switch {
		case err != nil:
			tb.Fatal(err)
		case v == "new":
			return "fresh"
		case cache.Metrics().Stale > before.Stale:
			return "stale"
		}
		return "kept"
	}
}

func TestGetInvalidatesATagAsTheArticleDoes(t *testing.T) {
	for _, row := range []struct {
		name   string
		method string
		query  string
		status int
		body   string
		fate   string // of what carries the tag "posts"
	}{
		{"token and tag", "GET", "token=s3cret&tag=posts", 200, `{"success":true}`, "fresh"},
		{"an older secret", "GET", "token=former&tag=posts", 200, `{"success":true}`, "fresh"},
		{"another tag", "GET", "token=s3cret&tag=users", 200, `{"success":true}`, "kept"},
		{"no query", "GET", "", 401, `{"success":false}`, "kept"},
		{"an empty token", "GET", "token=&tag=posts", 401, `{"success":false}`, "kept"},
		{"no token", "GET", "tag=posts", 401, `{"success":false}`, "kept"},
		{"a wrong token", "GET", "token=s3cre&tag=posts", 401, `{"success":false}`, "kept"},
		{"a wrong token and no tag", "GET", "token=x", 401, `{"success":false}`, "kept"},
		{"the parameter's name in another case", "GET", "Token=s3cret&tag=posts", 401, `{"success":false}`, "kept"},
		{"no tag", "GET", "token=s3cret", 400, `{"success":false}`, "kept"},
		{"an empty tag", "GET", "token=s3cret&tag=", 400, `{"success":false}`, "kept"},
		{"the first token counts", "GET", "token=s3cret&token=x&tag=posts", 200, `{"success":true}`, "fresh"},
		{"the first token counts, even if the second is right", "GET", "token=x&token=s3cret&tag=posts", 401, `{"success":false}`, "kept"},
		{"the first tag counts", "GET", "token=s3cret&tag=posts&tag=b", 200, `{"success":true}`, "fresh"},
		{"the first tag counts, even if it is empty", "GET", "token=s3cret&tag=&tag=posts", 400, `{"success":false}`, "kept"},
		{"an escaped token", "GET", "token=%733cret&tag=p%6Fsts", 200, `{"success":true}`, "fresh"},
		{"an escaped name", "GET", "t%6Fken=s3cret&tag=posts", 200, `{"success":true}`, "fresh"},
		{"a semicolon separates nothing", "GET", "token=s3cret;tag=posts", 401, `{"success":false}`, "kept"},
		{"an escape that is none stands for itself", "GET", "token=s3cret&tag=%zz", 200, `{"success":true}`, "kept"},
		{"a tag that nothing can carry", "GET", "token=s3cret&tag=%00", 200, `{"success":true}`, "kept"},
		{"a tag that is not UTF-8", "GET", "token=s3cret&tag=%ff%fe", 200, `{"success":true}`, "kept"},
		{"a plus is a space, which no tag has", "GET", "token=s3cret&tag=a+b", 200, `{"success":true}`, "kept"},
		{"a tag beyond bounds", "GET", "token=s3cret&tag=" + strings.Repeat("a", 8000), 200, `{"success":true}`, "kept"},
		{"empty pairs are skipped", "GET", "&&token=s3cret&&tag=posts&", 200, `{"success":true}`, "fresh"},
		{"HEAD changes nothing", "HEAD", "token=s3cret&tag=posts", 405, "", "kept"},
		{"POST without a way to check signatures", "POST", "token=s3cret&tag=posts", 405, "", "kept"},
		{"DELETE", "DELETE", "token=s3cret&tag=posts", 405, "", "kept"},
		{"OPTIONS", "OPTIONS", "token=s3cret&tag=posts", 204, "", "kept"},
	} {
		cache, fate := tagged(t, "posts")
		h := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Tokens: []string{"s3cret", "former"}, Mode: revalidate.ModeExpire, Logger: silent()})
		r := httptest.NewRequest(row.method, "/webhook", nil)
		r.URL.RawQuery = row.query
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != row.status || row.body != "" && rec.Body.String() != row.body {
			t.Errorf("%s: %d %s", row.name, rec.Code, rec.Body)
		}
		if got := fate(); got != row.fate {
			t.Errorf("%s: the tagged value is %s, want %s", row.name, got, row.fate)
		}
		if row.body != "" && (rec.Header().Get("Content-Type") != "application/json" || rec.Header().Get("Cache-Control") != "no-store") {
			t.Errorf("%s: header %v", row.name, rec.Header())
		}
		if (row.status == 405 || row.status == 204) && rec.Header().Get("Allow") != "GET, OPTIONS" {
			t.Errorf("%s: Allow %q", row.name, rec.Header().Get("Allow"))
		}
	}
}

func TestGetModeStale(t *testing.T) {
	cache, fate := tagged(t, "posts")
	h := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Tokens: []string{"s3cret"}, Logger: silent()})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/webhook?token=s3cret&tag=posts", nil))
	if got := fate(); got != "stale" {
		t.Errorf("the tagged value is %s", got)
	}
}

// signed checks a hex HMAC-SHA256 of the body in X-Signature.
func signed(r *http.Request, body []byte) error {
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write(body)
	if got, _ := hex.DecodeString(r.Header.Get("X-Signature")); !hmac.Equal(got, mac.Sum(nil)) {
		return errors.New("the signature is " + r.Header.Get("X-Signature"))
	}
	return nil
}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestPostInvalidatesWhatItsSignedBodyNames(t *testing.T) {
	many, _ := json.Marshal(map[string]any{"tags": strings.Split(strings.Repeat("x,", 1000)+"posts", ",")})
	for _, row := range []struct {
		name   string
		body   string
		sig    string // empty for a right one
		status int
		answer string
		fate   string
	}{
		{"tags, fresh", `{"tags":["posts","users"],"mode":"fresh"}`, "", 200, `{"success":true,"mode":"fresh","tags":["posts","users"],"paths":[]}`, "fresh"},
		{"tags, stale", `{"tags":["posts"],"mode":"stale"}`, "", 200, `{"success":true,"mode":"stale","tags":["posts"],"paths":[]}`, "stale"},
		{"the configured mode where none is said", `{"tags":["posts"]}`, "", 200, `{"success":true,"mode":"stale","tags":["posts"],"paths":[]}`, "stale"},
		{"paths", `{"paths":["/blog/[slug]"],"mode":"fresh"}`, "", 200, `{"success":true,"mode":"fresh","tags":[],"paths":["/blog/[slug]"]}`, "kept"},
		{"a dry run does nothing", `{"tags":["posts"],"mode":"fresh","dryRun":true}`, "", 200, `{"success":true,"mode":"fresh","tags":["posts"],"paths":[],"dryRun":true}`, "kept"},
		{"a wrong signature", `{"tags":["posts"]}`, "00", 401, "", "kept"},
		{"nothing named", `{}`, "", 400, "", "kept"},
		{"an unknown mode", `{"tags":["posts"],"mode":"later"}`, "", 400, "", "kept"},
		{"an unknown member", `{"tags":["posts"],"tag":"posts"}`, "", 400, "", "kept"},
		{"a repeated member", `{"tags":["posts"],"tags":["users"]}`, "", 400, "", "kept"},
		{"a member in another case", `{"Tags":["posts"]}`, "", 400, "", "kept"},
		{"something after the object", `{"tags":["posts"]} {}`, "", 400, "", "kept"},
		{"no JSON", `tags=posts`, "", 400, "", "kept"},
		{"an empty body", ``, "", 400, "", "kept"},
		{"one bad tag of several, and nothing is done", `{"tags":["posts","a b"],"mode":"fresh"}`, "", 400, "", "kept"},
		{"a path that is none", `{"tags":["posts"],"paths":["blog"],"mode":"fresh"}`, "", 400, "", "kept"},
		{"a forbidden tag of several, and nothing is done", `{"tags":["posts","secret"],"mode":"fresh"}`, "", 403, "", "kept"},
		{"a forbidden path", `{"paths":["/secret"]}`, "", 403, "", "kept"},
		{"more names than allowed", string(many), "", 413, "", "kept"},
		{"a body beyond bounds", `{"tags":["posts"]` + strings.Repeat(" ", 64<<10) + `}`, "", 413, "", "kept"},
	} {
		cache, fate := tagged(t, "posts")
		h := newEndpoint(t, revalidate.EndpointConfig{
			Cache: cache, Signed: signed, Logger: silent(),
			Allow: func(name string) bool { return !strings.HasSuffix(name, "secret") },
		})
		r := httptest.NewRequest("POST", "/webhook", strings.NewReader(row.body))
		sig := row.sig
		if sig == "" {
			sig = sign(row.body)
		}
		r.Header.Set("X-Signature", sig)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != row.status || row.answer != "" && rec.Body.String() != row.answer {
			t.Errorf("%s: %d %s", row.name, rec.Code, rec.Body)
		}
		if row.answer == "" && rec.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %v", row.name, rec.Header())
		}
		if row.answer == "" && strings.Contains(rec.Body.String(), "signature") {
			t.Errorf("%s: the answer says why: %s", row.name, rec.Body)
		}
		if got := fate(); got != row.fate {
			t.Errorf("%s: the tagged value is %s, want %s", row.name, got, row.fate)
		}
	}
	cache, _ := tagged(t, "posts")
	h := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Signed: signed, Logger: silent()})
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/webhook?token=&tag=posts", nil))
	if rec.Code != 405 || rec.Header().Get("Allow") != "OPTIONS, POST" {
		t.Errorf("GET without tokens: %d, Allow %q", rec.Code, rec.Header().Get("Allow"))
	}
}

func TestEndpointHooks(t *testing.T) {
	cache, fate := tagged(t, "posts")
	h := newEndpoint(t, revalidate.EndpointConfig{
		Cache: cache, Tokens: []string{"s3cret"}, Logger: silent(),
		OnError: func(w http.ResponseWriter, _ *http.Request, err error) {
			w.WriteHeader(418)
			fmt.Fprint(w, err)
		},
	})
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/webhook?token=x&tag=posts", nil))
	if rec.Code != 418 || rec.Body.String() != "token is missing or wrong" || fate() != "kept" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestAnAnnouncementThatFailsIsAnError(t *testing.T) {
	down := errors.New("bus is down")
	var told []revalidate.Invalidation
	cache := newCache(t, revalidate.Config{OnInvalidate: func(_ context.Context, inv revalidate.Invalidation) error {
		told = append(told, inv)
		return down
	}})
	if err := cache.ExpireTag(context.Background(), "a", "b"); !errors.Is(err, down) {
		t.Error(err)
	}
	if err := cache.Receive(revalidate.Invalidation{Tags: []string{"c"}}); err != nil {
		t.Error(err)
	}
	if len(told) != 1 || told[0].Mode != revalidate.ModeExpire || strings.Join(told[0].Tags, " ") != "a b" {
		t.Errorf("told %v", told)
	}
	h := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Tokens: []string{"s3cret"}, Logger: silent()})
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/webhook?token=s3cret&tag=posts", nil))
	if rec.Code != 500 || rec.Body.String() != `{"success":false}` {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestNewEndpointReportsEveryMistakeAndNoSecret(t *testing.T) {
	_, err := revalidate.NewEndpoint(revalidate.EndpointConfig{Tokens: []string{"s3cret", ""}, Mode: 7, MaxBody: -1, ReadTimeout: -1, MaxFailures: -1, FailureWindow: -1, InsecureUnlimited: true})
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 8 || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got:\n%v", err)
	}
	cache := newCache(t, revalidate.Config{})
	if _, err := revalidate.NewEndpoint(revalidate.EndpointConfig{Cache: cache}); err == nil {
		t.Error("no way in is accepted")
	}
	if _, err := revalidate.NewEndpoint(revalidate.EndpointConfig{Cache: cache, Tokens: []string{"s3cret"}}); err != nil {
		t.Errorf("what is required is enough: %v", err)
	}
}

func TestNoSecretIsLogged(t *testing.T) {
	var out strings.Builder
	cache, _ := tagged(t, "posts")
	h := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Tokens: []string{"s3cret"}, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	for _, query := range []string{"token=s3cret&tag=posts", "token=s3cretX&tag=posts", "token=s3cret", "token=s3cret&tag=%00"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/webhook?"+query, nil))
	}
	post := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Signed: signed, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	r := httptest.NewRequest("POST", "/webhook", strings.NewReader("{}"))
	r.Header.Set("X-Signature", "beef")
	post.ServeHTTP(httptest.NewRecorder(), r)
	if !strings.Contains(out.String(), "the signature is beef") {
		t.Error("the cause is not logged")
	}
	if strings.Contains(out.String(), "s3cret") || strings.Count(out.String(), "\n") < 4 || strings.Contains(fmt.Sprintf("%v %+v", h, h), "s3cret") {
		t.Error(out.String())
	}
}

// TestNextJSBehaviour replays what a Next.js 16 app that implements the article answered. Its router's own answers
// (redirects of odd paths, pages for what is not found) are not the endpoint's.
func TestNextJSBehaviour(t *testing.T) {
	file, err := os.Open(sample.Path(t, "nextjs-behaviour.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cache := newCache(t, revalidate.Config{})
	h := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Tokens: []string{"s3cret"}, Mode: revalidate.ModeExpire, InsecureUnlimited: true, Logger: silent()})
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	rows := 0
	for lines.Scan() {
		var row struct {
			Name, Group, Method, Path string
			Expect                    struct {
				Status int
				Body   string
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(row.Path)
		if row.Group != "webhook" || err != nil || !strings.HasPrefix(row.Expect.Body, `{"success":`) {
			continue
		}
		rows++
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, &http.Request{Method: row.Method, URL: u, Header: http.Header{}, Body: http.NoBody})
		if rec.Code != row.Expect.Status || rec.Body.String() != row.Expect.Body {
			t.Errorf("%s: %d %s, want %d %s", row.Name, rec.Code, rec.Body, row.Expect.Status, row.Expect.Body)
		}
	}
	if rows == 0 {
		t.Error("no rows")
	}
}

// A func that reads the signed bytes from the request, and not from its second argument, reads the same.
func TestSignedMayReadTheBodyFromTheRequest(t *testing.T) {
	cache, _ := tagged(t, "posts")
	h := newEndpoint(t, revalidate.EndpointConfig{
		Cache: cache, Logger: silent(),
		Signed: func(r *http.Request, body []byte) error {
			if again, err := io.ReadAll(r.Body); err != nil || string(again) != string(body) || len(body) == 0 {
				t.Errorf("%q %v, and the body is %q", again, err, body)
			}
			return nil
		},
	})
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("POST", "/webhook", strings.NewReader(`{"tags":["posts"]}`)))
	if rec.Code != 200 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
