package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chromium starts a browser with a fresh profile, or skips the test where there is none.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") == "1" {
			t.Fatal("chromium is required and not installed")
		}
		t.Skip("chromium is not installed")
	}
	ctx, cancelAll := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancelAll)
	ctx, cancelAllocator := chromedp.NewExecAllocator(ctx,
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
	)
	t.Cleanup(cancelAllocator)
	ctx, cancelTab := chromedp.NewContext(ctx)
	t.Cleanup(cancelTab)
	return ctx
}

// evaluate runs JavaScript in the page, as developer tools do: its policy does not bind them.
func evaluate[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}

// await waits until a condition holds in the page.
func await(ctx context.Context, t *testing.T, condition string) {
	t.Helper()
	for !evaluate[bool](ctx, t, condition) {
		time.Sleep(20 * time.Millisecond)
	}
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs the program and returns its origin and its log.
func start(t *testing.T, s settings) (origin string, log *buffer) {
	t.Helper()
	out := &buffer{}
	log = &buffer{}
	s.log = log
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- run(ctx, "127.0.0.1:0", s, out) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for !strings.Contains(out.String(), "curl -H") {
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	origin, _, _ = strings.Cut(strings.TrimPrefix(out.String(), "listening on "), "\n")
	return origin, log
}

// The page works in a real browser without a violation of its policy; a script that somebody got into it does not run, and is
// reported.
func TestPageInABrowser(t *testing.T) {
	ctx := chromium(t)
	origin, log := start(t, settings{limit: 600, readTimeout: 10 * time.Second})
	if err := chromedp.Do(ctx, chromedp.Navigate(origin)); err != nil {
		t.Fatal(err)
	}
	evaluate[any](ctx, t, `window.seen = []; document.addEventListener("securitypolicyviolation", e => seen.push(e.violatedDirective)); null`)
	await(ctx, t, `document.getElementById("state").textContent == "ready"`)
	evaluate[any](ctx, t, `document.getElementById("name").value = "<b>pears</b>"; document.getElementById("count").value = 7; document.querySelector("button").click(); null`)
	await(ctx, t, `document.getElementById("list").childElementCount == 2`)
	if list := evaluate[string](ctx, t, `document.getElementById("list").innerText`); list != "4 apples\n7 pears" {
		t.Errorf("the list is %q", list)
	}
	if color := evaluate[string](ctx, t, `getComputedStyle(document.getElementById("state")).color`); color != "rgb(0, 128, 0)" {
		t.Errorf("the page's style is not applied: %s", color)
	}
	if n := evaluate[int](ctx, t, `seen.length`); n != 0 || strings.Contains(log.String(), "/reports") {
		t.Errorf("%d violations before anything was injected; log: %s", n, log)
	}

	evaluate[any](ctx, t, `const s = document.createElement("script"); s.textContent = "window.stolen = 1"; document.body.append(s);
		document.body.insertAdjacentHTML("beforeend", "<img src=/x onerror='window.stolen = 2'>"); null`)
	await(ctx, t, `seen.length >= 2`)
	if n := evaluate[int](ctx, t, `window.stolen || 0`); n != 0 {
		t.Errorf("an injected script ran: %d", n)
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), "script-src"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the violation was not reported; log: %s", log)
		}
	}
}
