package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

const patience = 30 * time.Second

// started is a running fleet and what it printed.
type started struct {
	front                 string
	instances             []string
	github, token, apiKey string
}

func start(t *testing.T) started {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") == "1" {
			t.Fatal("redis-server is required and not installed")
		}
		t.Skip("redis-server is not installed")
	}
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", "", w); _ = w.Close() }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the fleet ended with %v", err)
		}
	})
	var f started
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if m := regexp.MustCompile(`^listening on (\S+)$`).FindStringSubmatch(line); m != nil {
			f.front = m[1]
		}
		if m := regexp.MustCompile(`token (\S+), GitHub (\S+), .* API key (\S+)$`).FindStringSubmatch(line); m != nil {
			f.token, f.github, f.apiKey = m[1], m[2], m[3]
		}
		if m := regexp.MustCompile(`^instances: \[(.*)\]`).FindStringSubmatch(line); m != nil {
			f.instances = strings.Fields(m[1])
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if len(f.instances) != 3 || f.front == "" || f.apiKey == "" {
		t.Fatalf("it printed %+v, %v", f, lines.Err())
	}
	return f
}

// ask sends a request to base as the front would pass it on.
func (f started) ask(t *testing.T, base, method, path string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = strings.TrimPrefix(f.front, "http://")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// same waits until all instances give one answer, which is not old, and returns it.
func (f started) same(t *testing.T, path, old string) string {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		answers := map[string]bool{}
		var last string
		for _, instance := range f.instances {
			_, last = f.ask(t, instance, "GET", path)
			answers[last] = true
		}
		if len(answers) == 1 && last != old {
			return last
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %d different answers: %v", path, len(answers), answers)
		}
	}
}

// insecureJar takes Secure cookies from the loopback address, as browsers and curl do, and a jar of net/http does not.
type insecureJar struct{ *cookiejar.Jar }

func secured(u *url.URL) *url.URL {
	copied := *u
	copied.Scheme = "https"
	return &copied
}

func (j insecureJar) SetCookies(u *url.URL, c []*http.Cookie) { j.Jar.SetCookies(secured(u), c) }
func (j insecureJar) Cookies(u *url.URL) []*http.Cookie       { return j.Jar.Cookies(secured(u)) }

// Whichever instance is asked, the answer is the fleet's.
func TestThreeAnswerAsOne(t *testing.T) {
	f := start(t)

	page, data := f.same(t, "/", ""), f.same(t, "/posts.json", "")
	if _, text := f.ask(t, f.front, "GET", "/"); text != page {
		t.Errorf("the front says %q, and the instances %q", text, page)
	}

	// A delivery that comes six times is handled once, and refreshes all.
	for i := range 6 {
		r, err := webhooktest.Delivery{
			Scheme: provider.GitHub{}, Key: webhook.NewSecret(f.github), URL: f.front + "/hooks/github", Body: []byte(`{"zen":"Design for failure."}`),
			Header: http.Header{"X-Github-Event": {"push"}, "X-Github-Delivery": {"4a3c1bb8-0000-11ee-8000-1c2d3e4f5a6b"}},
		}.Request(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.RequestURI = ""
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode/100 != 2 {
			t.Errorf("delivery %d: %s", i+1, res.Status)
		}
	}
	page, data = f.same(t, "/", page), f.same(t, "/posts.json", data)
	if !strings.Contains(data, "because") {
		t.Errorf("the data is %q", data)
	}

	// So does the article's URL.
	if status, text := f.ask(t, f.front, "GET", "/webhook?tag=posts&token="+f.token); status != 200 {
		t.Errorf("revalidation: %d %s", status, text)
	}
	f.same(t, "/", page)

	// A client has one allowance.
	admitted := 0
	for range 9 {
		if status, _ := f.ask(t, f.front, "POST", "/limited"); status == 204 {
			admitted++
		}
	}
	if admitted < 5 || admitted > 7 { // five at once, and one more each two seconds
		t.Errorf("%d of 9 were admitted", admitted)
	}

	// A login begins, returns and is used at whichever is asked; a key opens all.
	for i := range 4 {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Jar: insecureJar{jar}}
		res, err := client.Get(f.front + "/login?redirect_url=/me")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 200 || string(body) != `{"signed_in_as":"ann"}`+"\n" {
			t.Errorf("login %d: %s %s at %s", i+1, res.Status, body, res.Request.URL)
		}
	}
	for _, instance := range f.instances {
		if status, text := f.ask(t, instance, "GET", "/api/hello", "Authorization", "Bearer "+f.apiKey); status != 200 {
			t.Errorf("the key at %s: %d %s", instance, status, text)
		}
	}
}
