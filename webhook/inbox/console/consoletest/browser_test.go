package consoletest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/gatehouse-go/gatehouse/internal/testwait"
)

// chromium starts a browser with a fresh profile, or skips the test where there is none.
func chromium(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		absent(t, "chromium is not installed")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.WSURLReadTimeout(testwait.Patience),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
	}
	ctx, cancelAll := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancelAll)
	ctx, cancelAllocator := chromedp.NewExecAllocator(ctx, append(options, more...)...)
	t.Cleanup(cancelAllocator)
	ctx, cancelTab := chromedp.NewContext(ctx)
	t.Cleanup(cancelTab)
	return ctx
}

// absent skips a test whose engine is not there, or fails it where engines are required.
func absent(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") == "1" {
		t.Fatal(what + ", and is required")
	}
	t.Skip(what)
}

// evaluate runs JavaScript in the page, as developer tools do: its policy does not bind them.
func evaluate[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%.200s: %v", script, err)
	}
	return v
}

// until waits until a condition holds in the page. A question that a navigation cut off is asked again.
func until(ctx context.Context, t *testing.T, condition string) {
	t.Helper()
	for end := time.Now().Add(testwait.Patience); ; time.Sleep(20 * time.Millisecond) {
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+condition+")"))
		if holds && err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not hold (%v); the page says %q", condition, err, evaluate[string](ctx, t, "document.body.innerText"))
		}
	}
}

// act does something to an element, again if the page was exchanging it just then, as a reader would.
func act(ctx context.Context, t *testing.T, what string, action chromedp.Action[chromedp.Void]) {
	t.Helper()
	for end := time.Now().Add(testwait.Patience); ; time.Sleep(20 * time.Millisecond) {
		err := chromedp.Do(ctx, action)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

func click(ctx context.Context, t *testing.T, selector string) {
	t.Helper()
	act(ctx, t, "click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// fillIn types into a field; a text that ends in "\r" submits its form.
func fillIn(ctx context.Context, t *testing.T, selector, text string) {
	t.Helper()
	act(ctx, t, "focus "+selector, chromedp.Focus(chromedp.CSS(selector)))
	if err := chromedp.Do(ctx, chromedp.KeyEvent(text)); err != nil && !strings.HasSuffix(text, "\r") { // the key may be let go on the next page
		t.Fatalf("fill in %s: %v", selector, err)
	}
}

func open(ctx context.Context, t *testing.T, address string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
}

// picture keeps a screenshot in the folder that CONSOLE_SCREENSHOTS names, if it does.
func picture(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("CONSOLE_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}
