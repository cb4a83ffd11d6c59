package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

func TestTheProxyCachesAndForgets(t *testing.T) {
	calls := 0
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Surrogate-Key", "posts")
		fmt.Fprintf(w, "%s, call %d", r.URL.EscapedPath(), calls)
	}))
	defer origin.Close()
	handler, cache, err := newProxy(origin.URL, "s3cret", revalidate.Config{}, newTransport())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cache.Close(context.Background()) }()
	proxy := httptest.NewServer(handler)
	defer proxy.Close()
	get := func(target string) string {
		t.Helper()
		res, err := http.Get(proxy.URL + target)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	for _, row := range []struct{ target, want string }{
		{"/a", "/a, call 1"},
		{"/a", "/a, call 1"},
		{"/b//c%2Fd", "/b//c%2Fd, call 2"},
		{"/.cache/revalidate?token=wrong&tag=posts", `{"success":false}`},
		{"/a", "/a, call 1"},
		{"/.cache/revalidate?token=s3cret&tag=posts", `{"success":true}`},
		{"/a", "/a, call 3"},
	} {
		if got := get(row.target); got != row.want {
			t.Errorf("%s: %q, want %q", row.target, got, row.want)
		}
	}
	for _, bad := range []string{"", "nonsense", "http://", "http://[::1"} {
		if _, _, err := newProxy(bad, "", revalidate.Config{}, newTransport()); err == nil {
			t.Errorf("origin %q is accepted", bad)
		}
	}
	if _, _, err := newProxy(origin.URL, "", revalidate.Config{MaxBytes: 1}, newTransport()); err == nil {
		t.Error("a configuration that New refuses is accepted")
	}
	if handler, _, err := newProxy(origin.URL, "", config(1, false, false), newTransport()); handler == nil || err != nil {
		t.Error(err)
	}
}

func TestTheProxyStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := run(ctx, "127.0.0.1:0", "http://127.0.0.1:1", "", revalidate.Config{}); err != nil {
		t.Error(err)
	}
	if err := run(context.Background(), "127.0.0.1:-1", "http://127.0.0.1:1", "", revalidate.Config{}); err == nil {
		t.Error("an address that cannot be listened on")
	}
	if err := run(ctx, "", "", "", revalidate.Config{}); err == nil {
		t.Error("no origin")
	}
}

// accepted are the tests of http-tests/cache-tests that do not pass, and why. Of the required ones there are three.
var accepted = map[string]string{
	"headers-store-Set-Cookie":            "a stored Set-Cookie goes to everybody: Responses.InsecureStoreSetCookie",
	"304-etag-update-response-Set-Cookie": "the same", // required in the release on npm alone
	"headers-store-Transfer-Encoding":     "net/http's client refuses the transfer coding that the test makes up",

	"other-set-cookie":     "a stored Set-Cookie goes to everybody",
	"heuristic-501-cached": "server errors are not stored",
	"heuristic-599-cached": "server errors are not stored",
	"status-500-fresh":     "server errors are not stored",
	"status-502-fresh":     "server errors are not stored",
	"status-503-fresh":     "server errors are not stored",
	"status-504-fresh":     "server errors are not stored",
	"status-599-fresh":     "server errors are not stored",

	"partial-store-partial-complete":                "parts are not stored",
	"partial-store-partial-reuse-partial":           "parts are not stored",
	"partial-store-partial-reuse-partial-absent":    "parts are not stored",
	"partial-store-partial-reuse-partial-byterange": "parts are not stored",
	"partial-store-partial-reuse-partial-suffix":    "parts are not stored",

	"method-POST":                "responses to POST are not stored",
	"vary-normalise-lang-order":  "an origin may choose by order: Responses.Normalise",
	"vary-normalise-lang-select": "the cache does not guess which language an origin would choose: Responses.Normalise",
	"conditional-lm-fresh-no-lm": "asks for 304 where the response is newer than If-Modified-Since (RFC 9111, section 4.3.2)",
}

// outdated are the required tests of the release on the npm registry, of 2020, that ask for what RFC 9111, of 2022, forbids or advises
// against. The suite's repository has since turned each round or made it a question; a cache cannot pass both.
var outdated = map[string]string{
	// Section 5.1: of a list-based Age a cache uses the first member, and ignores one that is not a non-negative integer. The release
	// asks that each of these makes the response stale; the repository asks that it does not.
	"age-parse-nonnumeric":        `Age: abc is ignored`,
	"age-parse-negative":          `Age: -7200 is ignored`,
	"age-parse-float":             `Age: 7200.0 is ignored`,
	"age-parse-parameter":         `Age: 7200;foo=bar is ignored`,
	"age-parse-numeric-parameter": `Age: 7200;foo=111 is ignored`,
	"age-parse-prefix-twoline":    `of Age: 0 and Age: 7200 the first counts`,
	"age-parse-dup-0":             `of Age: 0, 0 the first counts`,
	"age-parse-dup-0-twoline":     `of Age: 0 and Age: 0 the first counts`,
	"age-parse-dup-old":           `of Age: 3600, 3600 the first counts, and is less than the freshness lifetime`,

	// Sections 5.2.2.2, 5.2.2.8 and 5.2.2.10: a cache that cannot reach the origin generates an error response, and none from the store. The
	// release takes any answer without the origin's own field Server-Request-Count, and so the 502, for one from the store.
	"stale-close-must-revalidate":  "the answer is the proxy's 502",
	"stale-close-proxy-revalidate": "the answer is the proxy's 502",
	"stale-close-no-cache":         "the answer is the proxy's 502 (section 5.2.2.4)",
	"stale-close-s-maxage=2":       "the answer is the proxy's 502",

	// Section 4.3.4: a 304 with a strong validator that no stored response has must not update any. The release sends one with another
	// entity tag than it stored, asks that this replaces the stored one, and calls it a failure that the cache asks again.
	"304-etag-update-response-ETag": "the 304 speaks of another response",
	// Section 3.2: each field of the 304 replaces that of the stored response, but for exceptions of which Content-MD5 is none.
	"304-etag-update-response-Content-MD5": "asks that the field stays as it was",
}

// TestHTTPCacheTests runs the suite of http-tests/cache-tests through the proxy. The suite is a checkout named by
// GATEHOUSE_CACHE_TESTS (with its dependencies installed), else the package http-cache-tests of the npm registry.
func TestHTTPCacheTests(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite takes a minute")
	}
	suite := findSuite(t)
	port := freePort(t)
	pid := filepath.Join(t.TempDir(), "pid")
	server := exec.Command("node", "--no-warnings", suite.server)
	server.Dir = suite.dir
	server.Env = append(os.Environ(), "npm_config_protocol=http", "npm_config_port="+port, "npm_config_pidfile="+pid)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	origin := "http://127.0.0.1:" + port
	await(t, origin)

	// The suite's origin breaks connections off, and writes more than it announced, to see what a cache does. A PUT with which the next
	// test sets the origin up must not go over one of them, for a proxy cannot send it again; so each request has its own here.
	transport := newTransport()
	transport.DisableKeepAlives = true
	handler, cache, err := newProxy(origin, "", config(64, true, false), transport)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cache.Close(context.Background()) }()
	proxy := httptest.NewServer(handler)
	defer proxy.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cli := exec.CommandContext(ctx, "node", "--no-warnings", suite.cli)
	cli.Dir = suite.dir
	cli.Env = append(os.Environ(), "npm_config_base="+proxy.URL, "npm_config_id=", "npm_package_config_id=")
	out, err := cli.Output()
	if err != nil {
		t.Fatal(err)
	}
	results := make(map[string]any)
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("%v in %.200s", err, out)
	}
	passed, total := make(map[string]int), make(map[string]int)
	var wrong []string
	for id, kind := range suite.kinds {
		result, ran := results[id]
		if !ran {
			continue
		}
		total[kind]++
		if result == true {
			passed[kind]++
		}
		known := accepted[id] != "" || suite.old && outdated[id] != ""
		switch {
		case kind == "check":
		case result != true && !known:
			wrong = append(wrong, fmt.Sprintf("%s test %s: %v", kind, id, result))
		case result == true && known:
			wrong = append(wrong, fmt.Sprintf("%s test %s passes and is on the list of those that do not", kind, id))
		}
	}
	slices.Sort(wrong)
	t.Logf("passed: %d of %d required, %d of %d optimal; of the checks, %d of %d say yes",
		passed["required"], total["required"], passed["optimal"], total["optimal"], passed["check"], total["check"])
	for _, line := range wrong {
		t.Error(line)
	}
	if total["required"] < 157 || total["optimal"] < 86 {
		t.Error("the suite did not run whole")
	}
	if suite.old { // what is outdated aside, the release is held to the same
		passed["required"] += len(outdated)
	}
	if failed := total["required"] - passed["required"]; failed > 3 || !suite.old && (passed["required"] < 158 || passed["optimal"] < 85) {
		t.Errorf("%d required tests fail", failed)
	}
}

type suite struct {
	dir, server, cli string
	kinds            map[string]string // of tests, by id
	old              bool
}

func findSuite(t *testing.T) suite {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "node is not installed")
	}
	s := suite{dir: os.Getenv("GATEHOUSE_CACHE_TESTS")}
	if s.dir == "" {
		home := t.TempDir()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "npm", "install", "--prefix", home, "--no-audit", "--no-fund", "http-cache-tests@0.4.5").CombinedOutput(); err != nil {
			missing(t, fmt.Sprintf("the npm package http-cache-tests cannot be had: %v: %.200s", err, out))
		}
		s.dir, s.old = filepath.Join(home, "node_modules", "http-cache-tests"), true
	}
	s.server, s.cli = "test-engine/server/server.mjs", "test-engine/cli.mjs"
	if _, err := os.Stat(filepath.Join(s.dir, s.cli)); err != nil {
		s.server, s.cli = "server/server.mjs", "cli.mjs"
	}
	list := `const all = (await import('` + filepath.ToSlash(s.dir) + `/tests/index.mjs')).default;
		console.log(JSON.stringify(Object.fromEntries(all.flatMap(s => s.tests).map(t => [t.id, t.kind || 'required']))))`
	out, err := exec.Command("node", "--no-warnings", "--input-type=module", "-e", list).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &s.kinds); err != nil {
		t.Fatal(err)
	}
	return s
}

// missing skips the test, or fails it where engines are required.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	return port
}

func await(t *testing.T, url string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		res, err := http.Get(url)
		if err == nil {
			res.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
