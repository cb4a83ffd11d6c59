package consoletest_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
)

// get returns a page of the console.
func get(t *testing.T, address string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d, %v\n%s", address, res.StatusCode, err, page)
	}
	return string(page)
}

var (
	rowID = regexp.MustCompile(`<th scope="row"><a href="\./deliveries/(\d+)`)
	older = regexp.MustCompile(`rel="next" href="([^"]+)"`)
)

// walk returns the deliveries of a list over all its pages.
func walk(t *testing.T, home, path string) (ids []string) {
	t.Helper()
	for path != "" {
		page := get(t, home+path)
		for _, m := range rowID.FindAllStringSubmatch(page, -1) {
			ids = append(ids, m[1])
		}
		path = ""
		if m := older.FindStringSubmatch(page); m != nil {
			path = html.UnescapeString(strings.TrimPrefix(m[1], "./"))
		}
	}
	return ids
}

func TestListsOverARealLedger(t *testing.T) {
	box := openLedger(t, inbox.Config{})
	fill(t, box)
	for i := range 120 {
		accept(t, box, event("gitlab", "Push Hook", fmt.Sprintf("push-%03d", i), `{}`))
	}
	home := serve(t, box, console.Config{}) + "/admin/inbox/"
	for _, row := range []struct {
		path string
		want int
	}{
		{"deliveries", 172},
		{"deliveries?provider=gitlab", 123},
		{"deliveries?type=Push+Hook", 120},
		{"deliveries?provider=gitlab&type=Push+Hook&status=pending", 120},
		{"deliveries?status=done", 40},
		{"deliveries?status=ignored", 3},
		{"deliveries?id=push-09", 10},
		{"deliveries?id=evt_&status=dead", 4},
		{"deliveries?from=" + url.QueryEscape(time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04")), 172},
		{"deliveries?to=" + url.QueryEscape(time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04")), 0},
		{"dead", 6},
		{"dead?provider=github", 2},
	} {
		ids := walk(t, home, row.path)
		seen := map[string]bool{}
		for _, id := range ids {
			seen[id] = true
		}
		if len(ids) != row.want || len(seen) != row.want {
			t.Errorf("%s: %d rows, %d different, want %d", row.path, len(ids), len(seen), row.want)
		}
	}
}

// What a filter selects is replayed once it was confirmed, and nothing that came after the page which asked.
func TestReplayingManyInARealLedger(t *testing.T) {
	box := openLedger(t, inbox.Config{})
	broken := true
	if err := box.Handle("*", "*", func(context.Context, *sql.Tx, *inbox.Delivery) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := box.Handle("p", "t", func(context.Context, *sql.Tx, *inbox.Delivery) error {
		if broken {
			return inbox.Permanent(io.ErrUnexpectedEOF)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i := range 450 {
		accept(t, box, event("p", "t", fmt.Sprint("before", i), `{}`))
	}
	stop := run(t, box)
	await(t, box, inbox.Dead, 450)
	stop()
	home := serve(t, box, console.Config{}) + "/admin/inbox/"
	page := get(t, home+"replay?provider=p&status=dead")
	if !strings.Contains(page, "<strong>450</strong>") || strings.Contains(page, `name="again"`) {
		t.Fatalf("the page that asks: %s", page)
	}
	form := url.Values{"why": {"mended"}}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`).FindAllStringSubmatch(page, -1) {
		form.Set(m[1], m[2])
	}
	time.Sleep(5 * time.Millisecond)
	accept(t, box, event("p", "t", "after", `{}`))
	stop = run(t, box)
	await(t, box, inbox.Dead, 451)
	stop()
	res := post(t, home+"replay", form)
	if location := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || !strings.Contains(location, "notice=replayed") || !strings.Contains(location, "n=450") {
		t.Errorf("%d, %s", res.StatusCode, location)
	}
	broken = false
	stop = run(t, box)
	await(t, box, inbox.Done, 450)
	await(t, box, inbox.Dead, 1)
	stop()
	if page := get(t, home+"deliveries/1"); !strings.Contains(page, "Replayed</strong> by ann@example.com") || !strings.Contains(page, "mended") {
		t.Error("the history does not say who replayed it, and why")
	}
	// What has run since cannot be discarded any more: a page that is old says so.
	res = post(t, home+"deliveries/1/discard", url.Values{"why": {"x"}})
	if res.StatusCode != http.StatusConflict {
		t.Errorf("a discard of what is done: %d", res.StatusCode)
	}
}

// A stream over a real connection says what happens, and does not keep a server from its end.
func TestAStreamOverARealLedger(t *testing.T) {
	box := openLedger(t, inbox.Config{})
	accept(t, box, event("p", "t", "1", `{}`))
	const timeout = 2 * time.Second
	home := serveWithin(t, box, console.Config{}, timeout) + "/admin/inbox/" // its cleanup waits for the server's Shutdown
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, home+"events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	time.Sleep(timeout + 500*time.Millisecond)
	accept(t, box, event("p", "t", "2", `{}`))
	var said bytes.Buffer
	buffer := make([]byte, 1024)
	for !strings.Contains(said.String(), "event: change\n") {
		n, err := res.Body.Read(buffer)
		said.Write(buffer[:n])
		if err != nil {
			t.Fatalf("%v after %q", err, said.String())
		}
	}
}
