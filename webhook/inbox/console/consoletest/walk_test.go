package consoletest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
)

// An operator finds a dead letter by the filter, reads it, replays it, and sees the pages follow, without one violation of the policy.
func TestAnOperatorInABrowser(t *testing.T) {
	ctx := chromium(t)
	box := openLedger(t, inbox.Config{})
	fill(t, box)
	home := serve(t, box, console.Config{HideFields: []string{"number", "/data/object/customer_email"}}) + "/admin/inbox/"

	watchPolicy(ctx, t)
	open(ctx, t, home)
	until(ctx, t, `document.getElementById("live").textContent.includes("follows")`)
	if figures := evaluate[string](ctx, t, `document.querySelector(".tiles").innerText`); !strings.Contains(figures, "Dead letters\n6") || !strings.Contains(figures, "Done\n40") {
		t.Errorf("figures: %q", figures)
	}
	if n := evaluate[int](ctx, t, `document.querySelectorAll("svg rect").length`); n == 0 {
		t.Error("the charts are empty")
	}
	picture(ctx, t, "overview")

	// List and filter, as a user of the keyboard does.
	click(ctx, t, `nav a[href$="deliveries"]`)
	until(ctx, t, `document.title.startsWith("Deliveries") && document.querySelectorAll("tbody tr").length == 50`)
	picture(ctx, t, "list")
	fillIn(ctx, t, `input[name=provider]`, "stripe")
	act(ctx, t, "choose a status", chromedp.SetValue(chromedp.CSS(`select[name=status]`), "dead"))
	fillIn(ctx, t, `input[name=id]`, "evt_9Dis00\r")
	until(ctx, t, `document.querySelectorAll("tbody tr").length == 4`)

	// Open one, and replay it.
	click(ctx, t, `tbody tr:last-child th a`)
	until(ctx, t, `document.title.startsWith("Delivery ")`)
	if text := evaluate[string](ctx, t, `document.querySelector("main").innerText`); !strings.Contains(text, "ledger service answered 422") || strings.Contains(text, "secret") {
		t.Errorf("the delivery's page: %q", text)
	}
	picture(ctx, t, "delivery")
	fillIn(ctx, t, `#why-replay`, "the account was opened again\r")
	until(ctx, t, `document.querySelector("[role=status].notice")?.textContent === "1 delivery was made pending again, due now."`)
	if status := evaluate[string](ctx, t, `document.querySelector("#title .status").innerText`); status != "pending" {
		t.Errorf("after the replay it is %s", status)
	}
	if last := evaluate[string](ctx, t, `document.querySelector(".timeline li").innerText`); !strings.HasPrefix(last, "Replayed by ann@example.com") || !strings.Contains(last, "the account was opened again") {
		t.Errorf("the history says %q", last)
	}
	if evaluate[bool](ctx, t, `location.search.includes("notice")`) {
		t.Error("a reload would say again what was done")
	}
	stop := run(t, box) // the handler fails again: the page follows
	until(ctx, t, `document.querySelector("#title .status").innerText === "dead" && document.querySelectorAll(".timeline li").length == 3`)
	stop()

	// The way back keeps the filter.
	click(ctx, t, `.back a`)
	until(ctx, t, `document.querySelectorAll("tbody tr").length == 4 && document.querySelector("input[name=provider]").value === "stripe"`)

	// Dead letters: replay all of a type, after a page that asks.
	click(ctx, t, `nav a[href$="dead"]`)
	until(ctx, t, `document.querySelectorAll(".groups li").length == 2`)
	picture(ctx, t, "dead")
	click(ctx, t, `a[aria-label="Replay all of stripe charge.disputed"]`)
	until(ctx, t, `document.querySelector("button.main")?.innerText === "Replay 4"`)
	picture(ctx, t, "confirm")
	fillIn(ctx, t, `#why`, "the ledger service is back\r")
	until(ctx, t, `document.querySelector(".notice")?.textContent.startsWith("4 deliveries were made pending again")`)

	// Pause and resume a type.
	open(ctx, t, home)
	click(ctx, t, `summary[aria-label="Pause stripe invoice.paid"]`)
	fillIn(ctx, t, `details[open] input[name=why]`, "the books are being closed\r")
	until(ctx, t, `document.querySelector(".notice")?.textContent.startsWith("The type is paused")`)
	click(ctx, t, `button[aria-label="Resume stripe invoice.paid"]`)
	until(ctx, t, `document.querySelector(".notice")?.textContent === "The type is resumed."`)

	if violations := evaluate[string](ctx, t, `sessionStorage.violations ?? ""`); violations != "" {
		t.Errorf("violations of the policy: %s", violations)
	}
}

// Every page, in every look, passes the rules of axe-core.
func TestPagesAreAccessible(t *testing.T) {
	script := axe(t)
	ctx := chromium(t)
	box := openLedger(t, inbox.Config{})
	fill(t, box)
	home := serve(t, box, console.Config{HideFields: []string{"number"}}) + "/admin/inbox/"
	for _, look := range []struct {
		name, scheme  string
		width, height int64
	}{{"light", "light", 1280, 900}, {"dark", "dark", 1280, 900}, {"phone", "light", 390, 844}, {"phone dark", "dark", 390, 844}} {
		emulate(ctx, t, look.scheme, look.width, look.height)
		for _, at := range []struct{ name, path string }{
			{"overview", ""},
			{"list", "deliveries"},
			{"empty list", "deliveries?provider=nobody"},
			{"dead letters", "dead"},
			{"a delivery that is done", "deliveries/1"},
			{"a delivery that panicked", "deliveries/46"},
			{"a pending delivery", "deliveries/50"},
			{"confirm a replay", "replay?provider=stripe"},
			{"confirm a discard", "discard?status=dead"},
			{"a notice", "?notice=paused&n=1"},
			{"an error", "deliveries/999"},
		} {
			open(ctx, t, home+at.path)
			judge(ctx, t, script, look.name+", "+at.name)
			if wide := evaluate[int](ctx, t, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
				t.Errorf("%s, %s: the page is %d pixels wider than the window", look.name, at.name, wide)
			}
			picture(ctx, t, look.name+" "+at.name)
		}
	}
}

// watchPolicy notes each violation of a page's policy in the session's storage.
func watchPolicy(ctx context.Context, t *testing.T) {
	t.Helper()
	_, err := chromedp.Run(ctx, func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
			Source: `document.addEventListener("securitypolicyviolation", e => { sessionStorage.violations = (sessionStorage.violations ?? "") + e.violatedDirective + " " + e.blockedURI + "\n" })`,
		})
		return chromedp.Void{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func emulate(ctx context.Context, t *testing.T, scheme string, width, height int64) {
	t.Helper()
	err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height), func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return chromedp.Void{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
}
