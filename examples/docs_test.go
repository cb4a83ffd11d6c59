package examples_test

import (
	"database/sql"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/internal/testredis"
	_ "modernc.org/sqlite"
)

// Each invoice is booked once, however often its event comes and whenever the program dies.
func TestDocsStripeExactlyOnce(t *testing.T) {
	binary := program(t, "stripe-exactly-once.md")
	db := filepath.Join(t.TempDir(), "payments.db")
	env := []string{"DB=" + db, "STRIPE_WEBHOOK_SECRET=whsec_test"}
	addr := freeAddress(t)
	event := `{"id":"evt_1","object":"event","type":"invoice.paid","data":{"object":{"id":"in_1","amount_paid":4200}}}`
	for range 3 {
		s := startAt(t, binary, addr, env...)
		for range 3 {
			deliver(t, "stripe", "whsec_test", s.url+"/hooks/stripe", event)
		}
		if status, text, _ := ask(t, "POST", s.url+"/hooks/stripe", event, "Content-Type", "application/json", "Stripe-Signature", "t=1,v1=00"); status != 401 {
			t.Errorf("a forged event: %d %s", status, text)
		}
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
	s := startAt(t, binary, addr, env...)
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if got := payments(t, db); got == "in_1 4200" {
			break
		} else if time.Now().After(end) {
			t.Fatalf("the payments are %q", got)
		}
	}
	s.stop(t)
}

// A page is made once, and again when the CMS says that its post changed.
func TestDocsRefreshFromACMS(t *testing.T) {
	s := start(t, program(t, "refresh-from-a-cms.md"), "SANITY_WEBHOOK_SECRET=test")
	page := func() string { _, text, _ := ask(t, "GET", s.url+"/posts/hello", ""); return text }
	first := page()
	if again := page(); again != first || !strings.Contains(first, "hello, version 1") {
		t.Errorf("%q, then %q", first, again)
	}
	deliver(t, "sanity", "test", s.url+"/hooks/sanity", `{"_id":"p2","_type":"post","slug":{"current":"other"}}`)
	if got := page(); got != first {
		t.Errorf("after another post changed: %q", got)
	}
	deliver(t, "sanity", "test", s.url+"/hooks/sanity", `{"_id":"p1","_type":"post","slug":{"current":"hello"}}`)
	if got := page(); !strings.Contains(got, "version 2") {
		t.Errorf("after its post changed: %q", got)
	}
	s.stop(t)
}

func TestDocsProtectAnAPI(t *testing.T) {
	s := start(t, program(t, "protect-an-api.md"))
	_, key, _ := strings.Cut(s.output.String(), "key: ")
	key, _, _ = strings.Cut(key, "\n")
	for _, row := range []struct {
		name, key, contentType, body string
		status                       int
		says                         string
	}{
		{"as it should be", key, "application/json", `{"name":"pears","count":3}`, 201, `{"name":"pears","count":3}`},
		{"no key", "", "application/json", `{}`, 401, "Unauthorized"},
		{"another key", key[:len(key)-1] + "!", "application/json", `{}`, 401, "Unauthorized"},
		{"a number out of range", key, "application/json", `{"name":"pears","count":300}`, 422, "#/count"},
		{"a name twice", key, "application/json", `{"name":"a","name":"b"}`, 400, "#/name"},
		{"another media type", key, "text/plain", `{}`, 415, "Unsupported"},
	} {
		header := []string{"Content-Type", row.contentType}
		if row.key != "" {
			header = append(header, "Authorization", "Bearer "+row.key)
		}
		if status, text, _ := ask(t, "POST", s.url+"/items", row.body, header...); status != row.status || !strings.Contains(text, row.says) {
			t.Errorf("%s: %d %s", row.name, status, text)
		}
	}
	limited := false
	for range 70 {
		status, _, header := ask(t, "GET", s.url+"/", "")
		limited = limited || status == 429 && header.Get("Retry-After") != ""
	}
	if !limited {
		t.Error("70 requests were not too many")
	}
	s.stop(t)
}

func TestDocsOpenIDConnect(t *testing.T) {
	binary := program(t, "openid-connect.md")
	addr := freeAddress(t)
	issuer := callbacktest.NewProvider(t, callbacktest.ProviderConfig{PlainHTTP: true})
	s := startAt(t, binary, addr, "LOCAL=1", "BASE_URL=http://"+addr, "ISSUER="+issuer.Issuer, "CLIENT_ID="+issuer.ClientID, "CLIENT_SECRET="+issuer.ClientSecret,
		cookieKey)
	if status, _, text := person(t)("GET", s.url+"/", nil); status != 200 || !strings.Contains(text, "signed in as ") {
		t.Errorf("%d %s", status, text)
	}
	s.stop(t)
}

func TestDocsFromNextjs(t *testing.T) {
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "old "+r.URL.Path) }))
	t.Cleanup(old.Close)
	rules := filepath.Join(t.TempDir(), "rules.json")
	if err := os.WriteFile(rules, []byte(block(t, "from-nextjs.md", "json")), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, program(t, "from-nextjs.md"), "OLD="+old.URL, "TOKEN=s3cret", "RULES="+rules)
	for _, row := range []struct {
		path   string
		header []string
		status int
		says   string
	}{
		{"/blog/hello", nil, 308, ""},
		{"/start", []string{"Cookie", "beta=1"}, 200, `the post "beta"`},
		{"/start", nil, 200, "old /start"},
		{"/about", nil, 200, "old /about"},
		{"/api/secret", nil, 401, "authentication failed"},
		{"/API/secret", nil, 401, "authentication failed"},
		{"/api/secret", []string{"Authorization", "Bearer s3cret"}, 200, "for those with the token"},
		{"/api%2Fsecret", nil, 400, ""},
	} {
		status, text, header := ask(t, "GET", s.url+row.path, "", row.header...)
		if status != row.status || !strings.Contains(text, row.says) {
			t.Errorf("%s %v: %d %s", row.path, row.header, status, text)
		}
		if status == 308 && header.Get("Location") != "/posts/hello" {
			t.Errorf("%s leads to %q", row.path, header.Get("Location"))
		}
	}
	if _, _, header := ask(t, "GET", s.url+"/posts/hello", ""); header.Get("X-Post") != "hello" {
		t.Errorf("the rule's header is %q", header.Get("X-Post"))
	}
	s.stop(t)
}

// Two instances count, remember, cache and forget as one.
func TestDocsManyInstances(t *testing.T) {
	addr := testredis.Start(t)
	binary := program(t, "many-instances.md")
	env := []string{"REDIS=" + addr, "GITHUB_WEBHOOK_SECRET=s3cret"}
	instances := []*server{start(t, binary, env...), start(t, binary, env...)}
	page := func(i int) string {
		_, text, _ := ask(t, "GET", instances[i].url+"/posts", "", "Host", "app.example")
		return text
	}

	first := page(0)
	// One that starts takes nothing for new that was made before it followed the server, and makes the page again.
	for end := time.Now().Add(patience); page(1) != first; first = page(0) {
		if time.Now().After(end) {
			t.Fatalf("the page is %q here and %q there", page(0), page(1))
		}
		time.Sleep(50 * time.Millisecond)
	}
	deliver(t, "github", "s3cret", instances[1].url+"/hooks/github", `{"zen":"Keep it logically awesome."}`)
	for end := time.Now().Add(patience); page(0) == first || page(0) != page(1); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after the webhook the page is %q here and %q there", page(0), page(1))
		}
	}
	admitted := 0
	for i := range 8 {
		status, text, _ := ask(t, "POST", instances[i%2].url+"/comments", "")
		switch status {
		case 204:
			admitted++
		case 429:
		default:
			t.Errorf("a comment: %d %s", status, text)
		}
	}
	if admitted != 5 {
		t.Errorf("%d of 8 comments were admitted", admitted)
	}
	for _, s := range instances {
		s.stop(t)
	}
}

func TestDocsStaticExport(t *testing.T) {
	out := filepath.Join(t.TempDir(), "site")
	cmd := exec.CommandContext(t.Context(), program(t, "static-export.md"))
	cmd.Env = append(os.Environ(), "OUT="+out)
	printed, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	if want := block(t, "static-export.md", "text"); string(printed) != want {
		t.Errorf("it prints\n%s, and the page says\n%s", printed, want)
	}
	for file, says := range map[string]string{"index.html": "<title>Home", "about.html": "<title>About", "site.css": "40em", "hello.txt": "hello"} {
		if text, err := os.ReadFile(filepath.Join(out, file)); err != nil || !strings.Contains(string(text), says) {
			t.Errorf("%s: %q %v", file, text, err)
		}
	}
}

// payments returns what is booked.
func payments(t *testing.T, file string) string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all sql.NullString
	if err := db.QueryRowContext(t.Context(), "SELECT group_concat(invoice || ' ' || cents) FROM payments").Scan(&all); err != nil {
		t.Fatal(err)
	}
	return all.String
}
