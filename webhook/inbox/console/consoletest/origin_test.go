package consoletest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
)

// On plain HTTP, where browsers send no Sec-Fetch-Site, the console's own forms work and those of other sites do not.
func TestFormsOnPlainHTTP(t *testing.T) {
	ctx := chromium(t, chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"))
	box := openLedger(t, inbox.Config{})
	fill(t, box)
	var mu sync.Mutex
	var seen []http.Header
	pages, err := console.New(box, console.Config{Access: func(r *http.Request) (string, error) {
		if r.Method == http.MethodPost {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, r.Header.Clone())
		}
		return "ann", nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(pages)
	t.Cleanup(server.Close)
	t.Cleanup(pages.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	home := "http://console.example:" + u.Port() + "/"
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!DOCTYPE html><form method="post" action="` + home + `deliveries/42/replay"><input name="why" value="free money"><button>Click here</button></form>`))
	}))
	t.Cleanup(evil.Close)

	open(ctx, t, home+"deliveries/41")
	fillIn(ctx, t, `#why-replay`, "a test\r")
	until(ctx, t, `document.querySelector(".notice")`)
	open(ctx, t, strings.Replace(evil.URL, "127.0.0.1", "evil.example", 1))
	click(ctx, t, "button")
	until(ctx, t, `document.title.startsWith("403")`)
	if text := evaluate[string](ctx, t, `document.body.innerText`); !strings.Contains(text, "came from another site, so nothing was done") {
		t.Errorf("the page says %q", text)
	}
	for _, of := range []struct {
		id   int64
		want inbox.Status
	}{{41, inbox.Pending}, {42, inbox.Dead}} {
		if d, _, err := box.Get(t.Context(), of.id); err != nil || d.Status != of.want {
			t.Errorf("delivery %d is %s, %v", of.id, d.Status, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 2 || seen[0].Get("Sec-Fetch-Site") != "" || seen[0].Get("Origin") == "null" {
		t.Errorf("the browser sent %v", seen)
	}
}

// Without JavaScript every page and every decision works; pages show what was there when they were opened.
func TestWithoutJavaScript(t *testing.T) {
	ctx := chromium(t, chromedp.Flag("blink-settings", "scriptEnabled=false"))
	box := openLedger(t, inbox.Config{})
	fill(t, box)
	home := serve(t, box, console.Config{}) + "/admin/inbox/"
	open(ctx, t, home)
	if evaluate[bool](ctx, t, `!document.getElementById("live").hidden`) {
		t.Error("the page says that it follows, and has no script")
	}
	click(ctx, t, `summary[aria-label="Pause stripe invoice.paid"]`)
	fillIn(ctx, t, `details[open] input[name=why]`, "a test\r")
	until(ctx, t, `document.querySelector(".notice")?.textContent.startsWith("The type is paused")`)
	open(ctx, t, home+"deliveries/41")
	fillIn(ctx, t, `#why-discard`, "a test\r")
	until(ctx, t, `document.querySelector("#title .status")?.innerText === "discarded"`)
}
