package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
)

// shown returns the text of the page of a delivery with a body.
func shown(t *testing.T, c console.Config, contentType, body string) string {
	t.Helper()
	d := delivery(1, inbox.Done)
	d.Event.Body = []byte(body)
	d.Event.Header = http.Header{"Content-Type": {contentType}}
	w := ask(newConsole(t, &ledger{deliveries: []inbox.Delivery{d}}, c), "GET", "/deliveries/1", "")
	if w.Code != 200 {
		t.Fatalf("got %d", w.Code)
	}
	return inspect(t, body[:min(len(body), 40)], w.Body.Bytes())
}

func TestBodies(t *testing.T) {
	for _, row := range []struct {
		name, contentType, body string
		want                    []string
	}{
		{"an object", "", `{"a":{"b":[1,2.50,-3e400]},"c":null,"d":true,"e":"x\u0041\n","f":{},"g":[]}`, []string{
			"{\n  \"a\": {\n    \"b\": [\n      1,\n      2.50,\n      -3e400\n    ]\n  },\n  \"c\": null,\n  \"d\": true,\n  \"e\": \"x\\u0041\\n\",\n  \"f\": {},\n  \"g\": []\n}", ", JSON",
		}},
		{"members of one name", "", `{"a":1,"a":2}`, []string{"{\n  \"a\": 1,\n  \"a\": 2\n}"}},
		{"lines of JSON", "application/x-ndjson", "{\"a\":1}\n{\"a\":2}\n", []string{"{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}"}},
		{"a string that is not UTF-8", "", "{\"a\xff\":\"\xfe\"}", []string{"\"a\\xff\": \"\\xfe\""}},
		{"a form", "application/x-www-form-urlencoded", "b=1&a=x+y%0Az&empty=&flag&payload=%7B%22k%22%3A%5B1%5D%7D&&bad=%7Bx", []string{"b1", "ax y\nz", "empty", "flag", "\"k\": [\n    1\n  ]", "bad{x", ", form"}},
		{"JSON that is called a form", "application/x-www-form-urlencoded", `{"a":1}`, []string{"\"a\": 1", ", JSON"}},
		{"a form that is broken", "application/x-www-form-urlencoded", "a=%zz", []string{"a=%zz", ", text"}},
		{"text", "text/plain", "hello\nworld", []string{"hello\nworld", "11 B, text"}},
		{"XML", "application/xml", "<a b='c'>&amp;</a>", []string{"<a b='c'>&amp;</a>", ", text"}},
		{"JSON that breaks off", "application/json", `{"a":[1,{"b":`, []string{`{"a":[1,{"b":`, ", text"}},
		{"JSON with something behind it", "", `{"a":1} x`, []string{`{"a":1} x`, ", text"}},
		{"an object without a colon", "", `{"a" 1}`, []string{`{"a" 1}`, ", text"}},
		{"a name that is none", "", `{"a":1,b:2}`, []string{`{"a":1,b:2}`}},
		{"a bracket of the other kind", "", `[1}`, []string{`[1}`}},
		{"a hidden value that breaks off", "", `{"a":[`, []string{`{"a":[`}},
		{"bytes", "application/octet-stream", "\x00\x01\xfe\xffGZIP", []string{"00000000  00 01 fe ff 47 5a 49 50", "|....GZIP|", ", binary"}},
		{"spaces", "", "  \n ", []string{", text"}},
		{"nothing", "", "", []string{"0 B"}},
		{"a text that ends in the middle of a character", "", strings.Repeat("é", 3000), []string{"5.9 KiB, text"}},
		{"control characters", "", strings.Repeat("\x01a", 100), []string{", binary"}},
		{"a byte that is no UTF-8 in text", "", "caf\xe9", []string{", binary"}},
	} {
		got := shown(t, console.Config{}, row.contentType, row.body)
		for _, want := range row.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is not in %q", row.name, want, got)
			}
		}
	}
}

func TestHiddenFields(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, row := range []struct {
		name, contentType, body string
		hide                    []string
	}{
		{"by name", "", `{"password":"hush"}`, []string{"password"}},
		{"by name in another case", "", `{"PassWord":"hush"}`, []string{"pASSWORD"}},
		{"by name with an escape in it", "", `{"pass\u0077ord":"hush"}`, []string{"password"}},
		{"by name with a letter that folds to one of it", "", `{"paſſword":"hush"}`, []string{"password"}},
		{"by name at depth", "", `[{"a":[{"password":["hush",{"b":"hush"}]}]}]`, []string{"password"}},
		{"by name twice", "", `{"password":1,"password":"hush"}`, []string{"password"}},
		{"by pointer", "", `{"user":{"card":"hush"}}`, []string{"/user/card"}},
		{"by pointer through an array", "", `{"items":[{"card":1},{"card":"hush"}]}`, []string{"/items/1/card"}},
		{"by pointer with any element", "", `{"items":[{"card":"hush"},{"card":"hush"}]}`, []string{"/items/*/card"}},
		{"by pointer with an escaped slash and tilde", "", `{"a/b":{"~":"hush"}}`, []string{"/a~1b/~0"}},
		{"by pointer, a whole member", "", `{"user":{"a":"hush","b":["hush"]}}`, []string{"/user"}},
		{"by pointer, an element", "", `["hush"]`, []string{"/0"}},
		{"in the second line", "", "{\"a\":1}\n{\"password\":\"hush\"}", []string{"password"}},
		{"a form field", form, "a=1&PASSWORD=hush", []string{"password"}},
		{"a form field in brackets", form, "user[password]=hush", []string{"password"}},
		{"a form field in brackets by pointer", form, "user[card][0]=hush", []string{"/user/card"}},
		{"a form field with dots", form, "user.card.password=hush", []string{"password"}},
		{"JSON in a form field in brackets", form, `user[data]={"card":"hush"}`, []string{"/user/data/card"}},
		{"JSON that breaks off and is called a form", form, `{"password":"hush"`, []string{"password"}},
		{"XML that is called a form", form, `<password>hush</password>`, []string{"password"}},
		{"a form field by pointer", form, "a=1&token=hush", []string{"/token"}},
		{"a form field whose name is encoded", form, "p%61ssword=hush", []string{"password"}},
		{"JSON in a form field", form, `payload={"password":"hush"}`, []string{"password"}},
		{"JSON in a form field by pointer", form, `payload={"user":{"card":"hush"}}`, []string{"/payload/user/card"}},
		{"JSON in a form field that breaks off", form, `payload={"password":"hush"`, []string{"password"}},
		{"JSON that breaks off", "", `{"password":"hush"`, []string{"password"}},
		{"JSON with something behind it", "", `{"password":"hush"}}`, []string{"password"}},
		{"XML", "application/xml", `<password>hush</password>`, []string{"password"}},
		{"bytes", "", "\x00\x01\x02hush", []string{"password"}},
		{"a form that is called JSON", "application/json", "password=hush", []string{"password"}},
		{"JSON behind a byte order mark", "", "\ufeff{\"password\":\"hush\"}", []string{"password"}},
		{"JSON with comments", "", "{/* */\"password\":\"hush\"}", []string{"password"}},
		{"a deep one", "", strings.Repeat(`[`, 9000) + `{"password":"hush"}` + strings.Repeat(`]`, 9000), []string{"password"}},
		{"one beyond the deepest", "", strings.Repeat(`[`, 20000) + `"hush"` + strings.Repeat(`]`, 20000), []string{"password"}},
	} {
		got := shown(t, console.Config{HideFields: row.hide}, row.contentType, row.body)
		if strings.Contains(got, "hush") {
			t.Errorf("%s: it is shown: %q", row.name, got)
		}
		if !strings.Contains(got, "[hidden]") && !strings.Contains(got, "It is not shown") && !strings.Contains(got, "more of it than is shown") {
			t.Errorf("%s: nothing says that something is hidden: %q", row.name, got)
		}
	}
	for _, row := range []struct {
		name, body string
		hide       []string
	}{
		{"a value like the name", `{"a":"password"}`, []string{"password"}},
		{"a longer name", `{"passwords":"password"}`, []string{"password"}},
		{"a pointer that ends higher", `{"user":"password"}`, []string{"/user/card"}},
		{"a pointer elsewhere", `{"other":{"card":"password"}}`, []string{"/user/card"}},
		{"a field beside it", `a=1&b=password`, []string{"c", "/b/c"}},
		{"the index of an element is no name", `["password"]`, []string{"0"}},
	} {
		contentType := "application/json"
		if strings.Contains(row.body, "&") {
			contentType = "application/x-www-form-urlencoded"
		}
		if got := shown(t, console.Config{HideFields: row.hide}, contentType, row.body); !strings.Contains(got, "password") || strings.Contains(got, "[hidden]") {
			t.Errorf("%s is hidden: %q", row.name, got)
		}
	}
}

// A huge body costs no huge page.
func TestHugeBodiesAreCut(t *testing.T) {
	for _, row := range []struct{ name, contentType, body string }{
		{"one string", "", `"` + strings.Repeat("a", 1<<20) + `"`},
		{"one name", "", `{"` + strings.Repeat("a", 1<<20) + `":1}`},
		{"many members", "", "{" + strings.Repeat(`"a":1,`, 1<<17) + `"b":2}`},
		{"many arrays", "", "[" + strings.Repeat("[],", 1<<18) + "[]]"},
		{"deep arrays", "", strings.Repeat("[", 9000) + strings.Repeat("]", 9000)},
		{"hidden members", "", "{" + strings.Repeat(`"hide":[1,2,3],`, 1<<16) + `"b":2}`},
		{"text", "text/plain", strings.Repeat("lorem ipsum\n", 1<<17)},
		{"bytes", "", strings.Repeat("\x00\xff", 1<<19)},
		{"a form of many fields", "application/x-www-form-urlencoded", strings.Repeat("a=1&", 1<<18)},
		{"a form with one huge field", "application/x-www-form-urlencoded", "a=" + strings.Repeat("b", 1<<20)},
		{"a form with one huge name", "application/x-www-form-urlencoded", strings.Repeat("b", 1<<20) + "=1&c=2"},
	} {
		c := console.Config{MaxShown: 8 << 10}
		if row.name == "hidden members" {
			c.HideFields = []string{"hide"}
		}
		got := shown(t, c, row.contentType, row.body)
		if len(got) > 128<<10 || !strings.Contains(got, "more of it than is shown") {
			t.Errorf("%s: %d bytes of text", row.name, len(got))
		}
	}
	if got := shown(t, console.Config{}, "", strings.Repeat("a", 3<<19)); !strings.Contains(got, "1.5 MiB, text") {
		t.Error("the size of a large body is not said")
	}
	d := delivery(1, inbox.Dead)
	d.Error = strings.Repeat("é", 1<<19)[1:]
	d.Event.ID = strings.Repeat("é", 1<<19)
	l := &ledger{deliveries: []inbox.Delivery{d}}
	for range 1000 {
		l.attempts = append(l.attempts, inbox.Attempt{Number: 1, Result: inbox.ResultFailed, Error: strings.Repeat("e", 100), At: time.Now()})
	}
	w := ask(newConsole(t, l, console.Config{}), "GET", "/deliveries", "")
	if w.Body.Len() > 32<<10 {
		t.Errorf("a list with a long error and id: %d bytes", w.Body.Len())
	}
	w = ask(newConsole(t, l, console.Config{}), "GET", "/deliveries/1", "")
	if text := inspect(t, "many attempts", w.Body.Bytes()); !strings.Contains(text, "800 earlier steps are not shown") {
		t.Errorf("many attempts: %d bytes", w.Body.Len())
	}
}

func TestHeaderFieldsThatLookLikeCredentialsAreHidden(t *testing.T) {
	d := delivery(1, inbox.Done)
	d.Event.Header = http.Header{}
	for _, name := range []string{
		"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "X-Auth-Token", "X-Gitlab-Token", "X-Shared-Secret", "X-Password", "Session-Id",
		"X-Amz-Security-Token", "X-Credential", "X-Jwt-Assertion", "X-Own-Field", "Apikey", "X-Access-Key",
	} {
		d.Event.Header[name] = []string{"hush-" + name}
	}
	d.Event.Header["X-Request-Id"] = []string{"first", "second"}
	d.Event.Query = url.Values{"token": {"hush"}, "page": {"7"}, `odd"<{`: {"8"}}
	c := newConsole(t, &ledger{deliveries: []inbox.Delivery{d}}, console.Config{HideHeaders: []string{"x-own-field"}, HideFields: []string{"token"}})
	text := inspect(t, "header", ask(c, "GET", "/deliveries/1", "").Body.Bytes())
	if strings.Contains(text, "hush") || strings.Count(text, "[hidden]") != 17 || !strings.Contains(text, "first second") || !strings.Contains(text, "page7") || !strings.Contains(text, `odd"<{8`) {
		t.Errorf("%d hidden: %s", strings.Count(text, "[hidden]"), text)
	}
}

func TestWhatMayBeDecided(t *testing.T) {
	l := sample()
	purged := delivery(20, inbox.Done)
	purged.Purged, purged.Event.Body = true, nil
	purgedDead := delivery(21, inbox.Dead)
	purgedDead.Purged = true
	l.deliveries = append(l.deliveries, purged, purgedDead)
	c := newConsole(t, l, console.Config{})
	for _, row := range []struct {
		id              int64
		replay, discard bool
		says            string
	}{
		{1, false, true, "pending"},
		{2, false, true, "waiting"},
		{3, false, false, "Nothing can be decided while it is running"},
		{4, true, false, "a replay has its effect again"},
		{5, true, true, "ignored"},
		{6, true, true, "dead"},
		{7, true, false, "discarded"},
		{20, false, false, "Its body is gone, so it cannot be replayed"},
		{21, false, true, "were removed when their time was over"},
	} {
		w := ask(c, "GET", fmt.Sprintf("/deliveries/%d?status=dead", row.id), "")
		page := w.Body.String()
		replay, discard := strings.Contains(page, fmt.Sprintf(`action="../deliveries/%d/replay?status=dead"`, row.id)), strings.Contains(page, fmt.Sprintf(`action="../deliveries/%d/discard?status=dead"`, row.id))
		if replay != row.replay || discard != row.discard || !strings.Contains(page, row.says) {
			t.Errorf("delivery %d: replay %v, discard %v", row.id, replay, discard)
		}
	}
}

func TestDeliverySaysWhatIsSigned(t *testing.T) {
	d := delivery(1, inbox.Pending)
	d.Event.TypeSigned, d.Event.IDSigned, d.Event.SignedHeaders = true, false, []string{"Webhook-Id"}
	d.Event.Header = http.Header{"Webhook-Id": {"evt_1"}, "X-Other": {"1"}}
	d.Event.Proof = webhook.Proof{KeyID: "2026-01"}
	d.Event.SentAt, d.Event.ReceivedAt, d.DueAt = time.Now().Add(-time.Minute), time.Now().Add(-time.Minute), time.Now().Add(90*time.Second)
	d.OrderKey, d.Duplicates = "customer-7", 3
	text := inspect(t, "facts", ask(newConsole(t, &ledger{deliveries: []inbox.Delivery{d}}, console.Config{}), "GET", "/deliveries/1", "").Body.Bytes())
	for _, want := range []string{"invoice.paid signed", "evt_1 not signed", "Webhook-Id signed", "customer-7", "2026-01", "Sent again3", d.IdempotencyKey(), "in 1 min 29 s", "UTC", "not begun yet"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
}
