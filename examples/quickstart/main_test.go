package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// start runs the program on a free port until the test ends and returns its origin and what it printed.
func start(t *testing.T, data string) (origin, printed string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, options{addr: "127.0.0.1:0", data: data}, w) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	buf := make([]byte, 64<<10)
	n, err := r.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	printed = string(buf[:n])
	return regexp.MustCompile(`http://[0-9.:]+`).FindString(printed), printed
}

// ask sends a request and returns status and body. header is "Name: value" pairs.
func ask(t *testing.T, method, url, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

// A delivery that GitHub publishes in its documentation (docs.github.com, "Validating webhook deliveries").
const (
	published          = "Hello, World!"
	publishedSecret    = "It's a Secret to Everybody"
	publishedSignature = "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
)

func TestAPublishedDeliveryChangesTheCachedPage(t *testing.T) {
	t.Setenv("GITHUB_WEBHOOK_SECRET", publishedSecret)
	origin, _ := start(t, "")
	_, before, _ := ask(t, "GET", origin+"/", "")
	time.Sleep(2 * time.Millisecond) // the page shows milliseconds
	if _, again, _ := ask(t, "GET", origin+"/", ""); again != before {
		t.Errorf("the page is not cached:\n%s\n%s", before, again)
	}
	status, body, header := ask(t, "POST", origin+"/hooks/github", published[:5]+"."+published[6:], publishedSignature, "Content-Type: application/json")
	if status != 401 || header.Get("Content-Type") != "application/problem+json" || body != `{"status":401,"title":"Unauthorized"}`+"\n" {
		t.Errorf("one byte changed: %d %s %s", status, header.Get("Content-Type"), body)
	}
	if _, again, _ := ask(t, "GET", origin+"/", ""); again != before {
		t.Error("a refused delivery changes the page")
	}
	if status, body, _ := ask(t, "POST", origin+"/hooks/github", published, publishedSignature, "Content-Type: application/json"); status != 200 {
		t.Errorf("the published delivery: %d %s", status, body)
	}
	if _, after, _ := ask(t, "GET", origin+"/", ""); after == before || !strings.Contains(after, "because of: github event") {
		t.Errorf("the page does not change: %s", after)
	}
}

func TestEveryRoute(t *testing.T) {
	t.Setenv("REVALIDATE_SECRET_TOKEN", "s3cret-for-the-test")
	origin, printed := start(t, "")
	key := regexp.MustCompile(`demo_\w+`).FindString(printed)
	for _, row := range []struct {
		name, method, path string
		header             []string
		status             int
		want               string
	}{
		{"a page", "GET", "/", nil, 200, "First post"},
		{"a page by HEAD", "HEAD", "/", nil, 200, ""},
		{"data", "GET", "/posts.json", nil, 200, `"slug":"first"`},
		{"a post", "GET", "/posts/second", nil, 200, "Second post"},
		{"a post that is not there", "GET", "/posts/third", nil, 404, "not found"},
		{"the endpoint with a wrong token", "GET", "/webhook?token=x&tag=posts", nil, 401, `{"success":false}`},
		{"the endpoint without a tag", "GET", "/webhook?token=s3cret-for-the-test", nil, 400, `{"success":false}`},
		{"the endpoint", "GET", "/webhook?token=s3cret-for-the-test&tag=posts", nil, 200, `{"success":true}`},
		{"the endpoint by HEAD", "HEAD", "/webhook?token=s3cret-for-the-test&tag=posts", nil, 405, ""},
		{"a webhook without signature", "POST", "/hooks/stripe", []string{"Content-Type: application/json"}, 401, "Unauthorized"},
		{"a webhook by GET", "GET", "/hooks/standard", nil, 405, "Method Not Allowed"},
		{"a return without a login begun", "GET", "/callback?session_token=abc&redirect_url=/me", []string{"Accept: application/json"}, 403, ""},
		{"a return to another site", "GET", "/callback?session_token=abc&redirect_url=https://evil.example/", []string{"Accept: application/json"}, 403, ""},
		{"a return without anything", "GET", "/callback", []string{"Accept: application/json"}, 400, ""},
		{"a private page", "GET", "/me", []string{"Accept: application/json"}, 401, ""},
		{"the API without a key", "GET", "/api/hello", nil, 401, `{"success":false,"message":"authentication failed"}`},
		{"the API in capitals without a key", "GET", "/API/hello", nil, 401, `{"success":false,"message":"authentication failed"}`},
		{"the API with a key", "GET", "/api/hello", []string{"Authorization: Bearer " + key}, 200, `{"hello":"world"}`},
		{"an encoded slash", "GET", "/api%2Fhello", nil, 400, ""},
		{"a redirect", "GET", "/old/first?a=1", nil, 308, ""},
		{"a rewrite", "GET", "/blog/first", nil, 200, "First post"},
		{"the factory", "GET", "/factory", nil, 200, `{"name":"factory"}`},
		{"the factory by POST", "POST", "/factory", nil, 200, `{"name":"factory"}`},
		{"the factory by OPTIONS", "OPTIONS", "/factory", nil, 204, ""},
	} {
		status, body, header := ask(t, row.method, origin+row.path, "", row.header...)
		if status != row.status || !strings.Contains(body, row.want) {
			t.Errorf("%s: %d %s", row.name, status, body)
		}
		if row.status == 308 && header.Get("Location") != "/posts/first?a=1" {
			t.Errorf("%s: Location %s", row.name, header.Get("Location"))
		}
		if row.status >= 400 && header.Get("Location") != "" {
			t.Errorf("%s: Location %s", row.name, header.Get("Location"))
		}
	}
	statuses := map[int]int{}
	for range 6 {
		status, _, _ := ask(t, "POST", origin+"/limited", "")
		statuses[status]++
	}
	if statuses[204] != 5 || statuses[429] != 1 {
		t.Errorf("the limited POST: %v", statuses)
	}
}

func TestSignInAndComeBack(t *testing.T) {
	origin, _ := start(t, "")
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: &insecureJar{jar}}
	res, err := client.Get(origin + "/login?redirect_url=/me")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(body) != `{"signed_in_as":"ann"}`+"\n" {
		t.Errorf("%d %s at %s", res.StatusCode, body, res.Request.URL)
	}
}

// A webhook that is known is acknowledged and not handled again, also by a later process on the same folder; the console shows it to the operator alone.
func TestWebhooksAreKept(t *testing.T) {
	t.Setenv("GITHUB_WEBHOOK_SECRET", publishedSecret)
	t.Setenv("CONSOLE_PASSWORD", "correct horse")
	dir := t.TempDir()
	send := func(origin string) {
		t.Helper()
		if status, body, _ := ask(t, "POST", origin+"/hooks/github", published, publishedSignature, "Content-Type: application/json"); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	t.Run("first", func(t *testing.T) {
		origin, _ := start(t, dir)
		send(origin)
		if _, page, _ := ask(t, "GET", origin+"/", ""); !strings.Contains(page, "because of: github event") {
			t.Errorf("page: %s", page)
		}
	})
	origin, _ := start(t, dir)
	send(origin)
	if _, page, _ := ask(t, "GET", origin+"/", ""); !strings.Contains(page, "because of: start") {
		t.Errorf("a repeat is handled: %s", page)
	}
	const operator = "Authorization: Basic b3BlcmF0b3I6Y29ycmVjdCBob3JzZQ==" // operator:correct horse
	for _, row := range []struct {
		name   string
		header []string
		status int
		want   string
	}{{"nobody", nil, 401, ""}, {"the operator", []string{operator}, 200, "github"}} {
		status, page, _ := ask(t, "GET", origin+"/console/", "", row.header...)
		if status != row.status || !strings.Contains(page, row.want) {
			t.Errorf("%s: %d %s", row.name, status, page)
		}
	}
}

func TestNoConsoleWithoutAPassword(t *testing.T) {
	t.Setenv("CONSOLE_PASSWORD", "")
	origin, _ := start(t, "")
	if status, _, _ := ask(t, "GET", origin+"/console/", ""); status != 404 {
		t.Errorf("got %d", status)
	}
}

func TestPostsComeFromTheFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine.txt"), []byte("My <own> post\n\ntext"), 0o600); err != nil {
		t.Fatal(err)
	}
	origin, _ := start(t, dir)
	if _, body, _ := ask(t, "GET", origin+"/", ""); !strings.Contains(body, "My &lt;own&gt; post") || strings.Contains(body, "First post") {
		t.Errorf("page: %s", body)
	}
	if err := run(t.Context(), options{addr: "127.0.0.1:0", data: filepath.Join(dir, "absent")}, io.Discard); err == nil {
		t.Error("an absent folder is no error")
	}
}

// The printed lines are run as they are. Each must do what its comment says.
func TestPrintedLines(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") != "" {
				t.Fatalf("%s is absent", tool)
			}
			t.Skipf("%s is absent", tool)
		}
	}
	_, printed := start(t, "")
	_, lines, _ := strings.Cut(printed, "\n\n")
	cmd := exec.CommandContext(t.Context(), "bash", "-e", "-o", "pipefail")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(lines, "/tmp/jar", filepath.Join(t.TempDir(), "jar")))
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, problems.String())
	}
	for want, times := range map[string]int{
		"because of: start": 2, `"loaded_at"`: 1, `{"success":true}`: 1, "HTTP/1.1 200 OK": 3, "200 OK": 4, `{"signed_in_as":"ann"}`: 1,
		"authentication failed": 1, `{"hello":"world"}`: 1, "HTTP/1.1 308": 1, "Webhooks tell this page": 2, "204\n": 5, "429\n": 1, `{"name":"factory"}`: 2,
	} {
		if got := strings.Count(out.String(), want); got != times {
			t.Errorf("%q stands %d times, want %d, in:\n%s", want, got, times, out.String())
		}
	}
}
