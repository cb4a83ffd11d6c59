package providertest_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/gatehouse-go/gatehouse/callback"
)

const patience = 30 * time.Second

// tab is a tab of a real browser.
type tab struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp keeps the tab in it
}

// browser starts Chromium with a fresh profile, which trusts any certificate, and returns its first tab.
func browser(t *testing.T) tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		absent(t, "chromium is not installed")
	}
	ctx, stop := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx,
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	return tab{t, ctx}
}

// another opens one more tab in the same window, with the same cookies.
func (b tab) another() tab {
	b.t.Helper()
	b.ask("1") // the browser is there once its first tab has answered
	ctx, stop := chromedp.NewContext(b.ctx)
	b.t.Cleanup(stop)
	return tab{b.t, ctx}
}

func (b tab) open(address string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(address)); err != nil {
		b.t.Fatalf("%s: %v", address, err)
	}
}

// ask answers a script in the page with text.
func (b tab) ask(script string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+script+")"))
	if err != nil {
		return ""
	}
	return text
}

// press does something in the page which leads to another.
func (b tab) press(script string) {
	b.t.Helper()
	b.ask(`setTimeout(() => { ` + script + ` }, 0)`)
}

// see waits until a condition holds in the page. A navigation may cut a question off, so it is asked again.
func (b tab) see(condition string) {
	b.t.Helper()
	for end := time.Now().Add(patience); b.ask("!!("+condition+")") != "true"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("%s does not hold; the page at %s says %q", condition, b.ask("location.href"), b.ask("document.body.innerText"))
		}
	}
}

// judge has axe-core look at the page, and keeps a picture in the folder that LOGIN_SCREENSHOTS names, if it does.
func (b tab) judge(axe, name string) {
	b.t.Helper()
	b.ask(`(() => {` + axe + `; window.verdict = ""; axe.run(document).then(
		r => { window.verdict = "judged " + r.passes.length + "\n" + r.violations.map(v => v.id + ": " + v.help).join("\n") },
		e => { window.verdict = "failed " + e }) })()`)
	b.see(`window.verdict`)
	if verdict := b.ask("window.verdict"); !strings.HasPrefix(verdict, "judged ") || strings.HasPrefix(verdict, "judged 0") || strings.Count(verdict, "\n") > 1 || !strings.HasSuffix(verdict, "\n") {
		b.t.Errorf("%s: axe-core: %s", name, verdict)
	}
	if b.ask(`document.documentElement.lang !== "" && document.querySelectorAll("h1").length === 1`) != "true" {
		b.t.Errorf("%s: no language, or not one heading", name)
	}
	dir := os.Getenv("LOGIN_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		b.t.Error(err)
	}
}

// behindFront starts the program examples/oidclogin behind a TLS front, and returns the front's origin and the callback URLs that came to it.
func behindFront(t *testing.T, issuerFor func(app string) string) (string, func() []string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "oidclogin")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./oidclogin")
	build.Dir = filepath.Join("..", "..", "..", "examples")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var proxy atomic.Pointer[httputil.ReverseProxy]
	seen := make(chan string, 1000)
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/auth/callback" {
			seen <- r.URL.RequestURI()
		}
		proxy.Load().ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)

	app := exec.CommandContext(t.Context(), program, "-addr", "127.0.0.1:0", "-base-url", front.URL, "-issuer", issuerFor(front.URL), "-client-id", "app", "-client-secret", "secret-of-the-app", "-insecure-http")
	stderr, err := app.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Wait() }) // the test's context has ended it
	lines := bufio.NewScanner(stderr)
	for proxy.Load() == nil {
		if !lines.Scan() {
			t.Fatal("the program did not start")
		}
		if found := regexp.MustCompile(`listening addr=(\S+)`).FindStringSubmatch(lines.Text()); found != nil {
			proxy.Store(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: found[1]}))
		}
	}
	go func() { // until the program ends
		for lines.Scan() {
		}
	}()
	return front.URL, func() []string {
		var all []string
		for {
			select {
			case uri := <-seen:
				all = append(all, uri)
			default:
				return all
			}
		}
	}
}

// TestTwoTabsOfARealBrowser signs in at panva's provider in two tabs at once, brings an answer twice, goes back, and signs out.
func TestTwoTabsOfARealBrowser(t *testing.T) {
	axe := readAxe(t)
	one := browser(t)
	app, callbacks := behindFront(t, func(app string) string { return panva.start(t, app) })
	two := one.another()

	atProvider := `document.querySelector("input[name=login]")`
	one.open(app + "/inbox?a=1")
	one.see(atProvider)
	two.open(app + "/outbox")
	two.see(atProvider)
	for _, signIn := range []struct {
		tab
		page string
	}{{one, "/inbox?a=1"}, {two, "/outbox"}} {
		signIn.press(`document.querySelector("input[name=login]").value = "ana"; document.querySelector("input[name=password]").value = "x"; document.querySelector("button").click()`)
		home := `location.href === "` + app + signIn.page + `" && document.querySelector("h1")?.innerText === "signed in as ana"`
		signIn.see(home + ` || (!` + atProvider + ` && document.querySelector("button[type=submit]"))`)
		if signIn.ask(home) != "true" { // the provider asks for consent
			signIn.press(`document.querySelector("button[type=submit]").click()`)
		}
		signIn.see(home)
	}
	one.judge(axe, "signed in")
	answers := callbacks()
	if len(answers) != 2 {
		t.Fatalf("%d answers came back", len(answers))
	}

	two.press(`history.back()`)
	two.see(`location.href !== "` + app + `/outbox"`)
	if text := two.ask(`document.body.innerText`); strings.Contains(text, "went wrong on our side") {
		t.Errorf("back: %s", text)
	}
	two.open(app + answers[0])
	two.see(`document.querySelector("h1")?.innerText === "This link was used already"`)
	two.see(`document.querySelector("a")?.getAttribute("href") === "/login?return_to=%2Finbox%3Fa%3D1"`)
	two.judge(axe, "used already")
	two.open(app + "/auth/callback?error=access_denied&state=x")
	two.see(`document.querySelector("h1")?.innerText === "This browser did not begin here"`)
	two.judge(axe, "another browser")

	one.press(`document.querySelector("form[action='/logout'] button").click()`)
	one.see(`location.href.includes("/session/end") && document.querySelector("button")`)
	one.press(`document.querySelector("button[type=submit]").click()`)
	one.see(atProvider) // the application asks again who it is
	two.open(app + "/outbox")
	two.see(atProvider)
}

// TestMagicLinkInARealBrowser presses the button of the page behind a link, under the policy that the page has.
func TestMagicLinkInARealBrowser(t *testing.T) {
	axe := readAxe(t)
	var handler http.Handler
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	server.Config.ErrorLog = nil
	t.Cleanup(server.Close)
	handler = magic(t, server.URL)

	b := browser(t)
	b.open(server.URL + "/login?redirect_url=/inbox")
	b.see(`document.body.innerText.startsWith("/magic?")`)
	link := server.URL + b.ask(`document.body.innerText`)
	b.open(link)
	b.see(`document.querySelector("h1")?.innerText === "Sign in to Example"`)
	b.judge(axe, "confirm")
	scanner := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for _, method := range []string{"GET", "HEAD", "POST"} { // opens what it finds, without the browser's cookies
		r, err := http.NewRequestWithContext(t.Context(), method, link, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := scanner.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode < 400 {
			t.Errorf("a scanner's %s: %d", method, res.StatusCode)
		}
	}
	b.press(`document.querySelector("button").click()`)
	b.see(`location.pathname === "/inbox" && document.body.innerText === "signed in as ana"`)
	b.open(link)
	b.see(`document.querySelector("h1")?.innerText === "This link was used already"`)
}

// magic is an application whose login page shows the link that it would send by mail.
func magic(t *testing.T, origin string) http.Handler {
	t.Helper()
	returnTo, err := callback.NewReturnTo(origin)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := callback.NewKeyring([]byte("Xq3#pN8!vT5^kZ1&mB7*rL4(wD9)yG2@"))
	if err != nil {
		t.Fatal(err)
	}
	login, err := callback.New(callback.Config[string]{
		Keys: keys, ReturnTo: returnTo, Retry: "/login", Home: "/",
		Confirm: &callback.Confirm{Title: "Sign in to Example", Text: "Press the button to sign in on this device.", Button: "Sign in"},
		Redeem:  func(context.Context, string) (string, error) { return "ana", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		params, err := login.Start(w, r)
		if err != nil {
			login.Refuse(w, r, err)
			return
		}
		params.Set("session_token", "t1")
		_, _ = w.Write([]byte("/magic?" + params.Encode()))
	})
	mux.Handle("/magic", login)
	mux.Handle("/", login.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := callback.SessionFrom[string](r.Context())
		_, _ = w.Write([]byte("signed in as " + user))
	})))
	return mux
}
