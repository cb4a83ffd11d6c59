package callback_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	whatwg "github.com/nlnwa/whatwg-url/url"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/sample"
)

func returnTo(tb testing.TB, origins ...string) *callback.ReturnTo {
	tb.Helper()
	r, err := callback.NewReturnTo(origins...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

var targets = []struct {
	name string
	raw  string
	want string // "" when refused
	err  error
}{
	{"a path stays", "/dashboard/", "/dashboard/", nil},
	{"query and fragment stay", "/p/main.go?line=10#L10-L20", "/p/main.go?line=10#L10-L20", nil},
	{"an empty query stays", "/search?", "/search?", nil},
	{"an empty fragment stays", "/#", "/#", nil},
	{"a fragment route with a query of its own stays", "/#/route?x=1", "/#/route?x=1", nil},
	{"a second question mark belongs to the query", "/a?b?c", "/a?b?c", nil},
	{"a colon in a path is no scheme", "/a:80/b", "/a:80/b", nil},
	{"a scheme's name as a path is a path", "/javascript:void(0)", "/javascript:void(0)", nil},
	{"an at sign in a path is no user", "/@scope/pkg", "/@scope/pkg", nil},
	{"empty segments inside stay", "/a//b", "/a//b", nil},
	{"encoded bytes are neither decoded nor encoded again", "/a%252Fb%2f", "/a%252Fb%2f", nil},
	{"a stray percent stays, as in a browser", "/100%?50%", "/100%?50%", nil},
	{"non-ASCII is encoded in upper case", "/é?é#é", "/%C3%A9?%C3%A9#%C3%A9", nil},
	{"a quote is encoded in a query alone", "/it's?it's#it's", "/it's?it%27s#it's", nil},
	{"what could end an HTML attribute is encoded everywhere", `/"<>?"<>#"<>`, "/%22%3C%3E?%22%3C%3E#%22%3C%3E", nil},
	{"braces and backquote are encoded where a browser does", "/{`}?{`}#{`}", "/%7B%60%7D?{`}#{%60}", nil},
	{"a URL in the query is only text", "/x?u=https://evil.example", "/x?u=https://evil.example", nil},

	{"dot segments are resolved", "/a/b/../../c", "/c", nil},
	{"single dots vanish", "/./a/./b/.", "/a/b/", nil},
	{"a trailing double dot leaves a slash", "/a/b/..", "/a/", nil},
	{"dots cannot climb above the root", "/../../a", "/a", nil},
	{"encoded dots are dots", "/a/%2e%2E/b/%2e/c/.%2e", "/b/", nil},
	{"more than two dots are a name", "/.../..hidden/a..b", "/.../..hidden/a..b", nil},
	{"an encoded dot within a name stays", "/%2ehidden", "/%2ehidden", nil},
	{"three encoded dots are a name", "/.%2e./a", "/.%2e./a", nil},
	{"dots pop an empty segment", "/a//..", "/a/", nil},

	{"an allowed origin passes", "https://app.example.com/x", "https://app.example.com/x", nil},
	{"an origin alone gets its slash", "https://app.example.com", "https://app.example.com/", nil},
	{"an origin with a query gets its slash", "https://app.example.com?a#b", "https://app.example.com/?a#b", nil},
	{"case of scheme and host does not matter", "HTTPS://App.Example.Com/X", "https://app.example.com/X", nil},
	{"the default port is the origin's", "https://app.example.com:443/", "https://app.example.com/", nil},
	{"a port that is allowed passes", "https://docs.example.com:8443/guide", "https://docs.example.com:8443/guide", nil},
	{"an http origin that is allowed passes", "http://localhost:3000/x", "http://localhost:3000/x", nil},
	{"an IPv6 origin passes", "http://[::1]:8080/x", "http://[::1]:8080/x", nil},
	{"dots of an absolute URL are resolved", "https://app.example.com/a/../b", "https://app.example.com/b", nil},
	{"empty segments of an absolute URL stay", "https://app.example.com//b", "https://app.example.com//b", nil},

	{"nothing", "", "", callback.ErrTargetMissing},
	{"2049 bytes", "/" + strings.Repeat("a", 2048), "", callback.ErrTargetTooLong},
	{"2049 bytes after encoding", "/" + strings.Repeat(`"`, 683), "", callback.ErrTargetTooLong},
	{"scheme-relative", "//evil.example", "", callback.ErrTargetOrigin},
	{"scheme-relative to an allowed host", "//app.example.com/x", "", callback.ErrTargetOrigin},
	{"three slashes", "///evil.example", "", callback.ErrTargetOrigin},
	{"backslashes", `/\evil.example`, "", callback.ErrTargetCharacter},
	{"a backslash behind a dot segment, which http.Redirect makes an open redirect", `/./\evil.example`, "", callback.ErrTargetCharacter},
	{"a backslash in a query", `/?\`, "", callback.ErrTargetCharacter},
	{"a tab that browsers drop", "/\t/evil.example", "", callback.ErrTargetCharacter},
	{"a newline", "/x\r\nSet-Cookie: a=b", "", callback.ErrTargetCharacter},
	{"a leading space that browsers drop", " //evil.example", "", callback.ErrTargetCharacter},
	{"a space inside", "/a b", "", callback.ErrTargetCharacter},
	{"NUL", "/\x00", "", callback.ErrTargetCharacter},
	{"DEL", "/\x7f", "", callback.ErrTargetCharacter},
	{"invalid UTF-8", "/\xff", "", callback.ErrTargetCharacter},
	{"dot segments that leave two slashes in front", "/..//evil.example", "", callback.ErrTargetPath},
	{"encoded dot segments that leave two slashes in front", "/a/%2e%2e//evil.example", "", callback.ErrTargetPath},
	{"another origin", "https://evil.example/", "", callback.ErrTargetOrigin},
	{"an allowed host as user name", "https://app.example.com@evil.example/", "", callback.ErrTargetOrigin},
	{"a user name before an allowed host", "https://user@app.example.com/", "", callback.ErrTargetOrigin},
	{"an allowed host as prefix", "https://app.example.com.evil.example/", "", callback.ErrTargetOrigin},
	{"an allowed host as suffix", "https://evilapp.example.com/", "", callback.ErrTargetOrigin},
	{"an allowed host with a trailing dot", "https://app.example.com./", "", callback.ErrTargetOrigin},
	{"an allowed host under http", "http://app.example.com/", "", callback.ErrTargetOrigin},
	{"an allowed host with another port", "https://app.example.com:8443/", "", callback.ErrTargetOrigin},
	{"an allowed host with an empty port", "https://app.example.com:/", "", callback.ErrTargetOrigin},
	{"an allowed host with a padded port", "https://app.example.com:0443/", "", callback.ErrTargetOrigin},
	{"a host that only folds to an allowed one", "https://doc\u017f.example.com:8443/", "", callback.ErrTargetOrigin},
	{"no host", "https:///app.example.com/", "", callback.ErrTargetOrigin},
	{"a scheme without slashes", "https:evil.example", "", callback.ErrTargetScheme},
	{"a scheme with one slash", "https:/evil.example", "", callback.ErrTargetScheme},
	{"javascript", "javascript:alert(1)", "", callback.ErrTargetScheme},
	{"data", "data:text/html,x", "", callback.ErrTargetScheme},
	{"a host and port without scheme", "app.example.com:443/x", "", callback.ErrTargetScheme},
	{"a bare word", "evil.example", "", callback.ErrTargetPath},
	{"the word null", "null", "", callback.ErrTargetPath},
	{"a query alone", "?a=1", "", callback.ErrTargetPath},
	{"a fragment alone", "#a", "", callback.ErrTargetPath},
}

var allowed = []string{"https://app.example.com", "https://docs.example.com:8443", "http://localhost:3000", "http://[::1]:8080"}

func TestResolve(t *testing.T) {
	r := returnTo(t, allowed...)
	for _, tt := range targets {
		got, err := r.Resolve(tt.raw)
		if tt.err != nil {
			if !errors.Is(err, tt.err) || got != "/" || refusal.Status(err) != 400 {
				t.Errorf("%s: Resolve(%q) = %q, %v, want %q and %v (400)", tt.name, tt.raw, got, err, "/", tt.err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: Resolve(%q) = %q, %v, want %q", tt.name, tt.raw, got, err, tt.want)
		}
	}
}

func TestResolveFrom(t *testing.T) {
	r := returnTo(t, allowed...)
	for _, tt := range []struct {
		name, base, raw, want string
		err                   error
	}{
		{"a word is beside the page", "/auth/callback", "settings", "/auth/settings", nil},
		{"dots climb from the page", "/callback", "../../x", "/x", nil},
		{"dots of one segment", "/a/b/c", "./d/../e", "/a/b/e", nil},
		{"a query alone keeps the page", "/callback", "?a=1", "/callback?a=1", nil},
		{"an absolute path ignores the page", "/auth/callback", "/x", "/x", nil},
		{"an absolute URL ignores the page", "/auth/callback", "https://app.example.com/x", "https://app.example.com/x", nil},
		{"query and fragment of the page are not carried over", "/auth/callback?code=c#f", "x", "/auth/x", nil},
		{"a page that is no path counts as the root", "*", "x", "/x", nil},
		{"no page counts as the root", "", "x", "/x", nil},
		{"a host name is a path like any word", "/auth/callback", "evil.example", "/auth/evil.example", nil},
		{"dot segments of the page are resolved", "/a/../b/c", "d", "/b/d", nil},
		{"a fragment alone", "/callback", "#f", "", callback.ErrTargetPath},
		{"nothing", "/callback", "", "", callback.ErrTargetMissing},
		{"a page whose path begins with two slashes", "//evil.example/callback", "x", "", callback.ErrTargetPath},
		{"two slashes after climbing", "/callback", "..//evil.example", "", callback.ErrTargetPath},
		{"a page with a backslash", `/\evil.example/`, "x", "", callback.ErrTargetCharacter},
		{"a page that is too long", "/" + strings.Repeat("a", 2048), "x", "", callback.ErrTargetTooLong},
		{"a colon in the first segment could be a scheme", "/callback", "1:2", "", callback.ErrTargetScheme},
	} {
		got, err := r.ResolveFrom(tt.base, tt.raw)
		if !errors.Is(err, tt.err) || (tt.err == nil && got != tt.want) || (tt.err != nil && got != "/") {
			t.Errorf("%s: ResolveFrom(%q, %q) = %q, %v, want %q, %v", tt.name, tt.base, tt.raw, got, err, tt.want, tt.err)
		}
	}
}

func TestNewReturnToReportsEveryMistake(t *testing.T) {
	for _, bad := range []string{
		"", "app.example.com", "ftp://app.example.com", "https:app.example.com", "https://", "https://app.example.com/", "https://app.example.com/x",
		"https://*.example.com", "https://user@app.example.com", "https://app.example.com:0", "https://app.example.com:65536", "https://app.example.com:+1",
		"https://app.example.com:", "https://app.example.com:080", "https://münchen.example", "https://a..b", "https://app.example.com?x", "https://app.example.com ",
		"https://127.1", "https://0x7f.0.0.1", "https://1.2.3.4.5", "https://1.2.3.4.", "https://[::1", "https://[::0001]", "https://[::ffff:1.2.3.4]", "https://[fe80::1%25eth0]", "https://[1.2.3.4]", "https://" + strings.Repeat("a.", 127) + "a",
	} {
		_, err := callback.NewReturnTo("https://ok.example", bad, "http://")
		if err == nil {
			t.Errorf("NewReturnTo(%q) was accepted", bad)
			continue
		}
		if lines := strings.Split(err.Error(), "\n"); len(lines) != 2 {
			t.Errorf("NewReturnTo with %q and another mistake reports %d: %v", bad, len(lines), err)
		}
	}
	if _, err := callback.NewReturnTo(); err == nil {
		t.Error("NewReturnTo without an origin was accepted")
	}
	for _, good := range []string{"https://app.example.com", "HTTPS://APP.EXAMPLE.COM:443", "http://127.0.0.1:8080", "http://[::1]", "https://xn--mnchen-3ya.example", "http://localhost", "http://a_b.example", "https://host."} {
		if _, err := callback.NewReturnTo(good); err != nil {
			t.Errorf("NewReturnTo(%q): %v", good, err)
		}
	}
}

// checkTarget fails when a browser that gets target as a Location on base, raw or rewritten by http.Redirect, would leave the
// allowed origins, or when resolving target again changes it.
func checkTarget(t *testing.T, r *callback.ReturnTo, base, input, target string, origins map[string]bool) {
	t.Helper()
	if again, err := r.Resolve(target); err != nil || again != target {
		t.Errorf("%q gave %q, and that resolves to %q, %v", input, target, again, err)
	}
	for _, location := range []string{target, redirected(t, base, target)} {
		u, err := whatwg.ParseRef(base, location)
		if err != nil {
			t.Errorf("%q gave Location %q, which no browser can read: %v", input, location, err)
			continue
		}
		if o := u.Protocol() + "//" + u.Host(); !origins[o] {
			t.Errorf("%q gave Location %q, which leads to %s", input, location, o)
		}
	}
}

// redirected returns the Location that http.Redirect makes of target.
func redirected(t *testing.T, base, target string) string {
	t.Helper()
	rec := httptest.NewRecorder()
	http.Redirect(rec, httptest.NewRequest("GET", base, nil), target, http.StatusSeeOther)
	return rec.Header().Get("Location")
}

// TestNoTargetEscapes holds every target of the table against an independent implementation of the WHATWG URL Standard.
func TestNoTargetEscapes(t *testing.T) {
	r := returnTo(t, allowed...)
	origins := map[string]bool{}
	for _, o := range allowed {
		origins[o] = true
	}
	const base = "https://app.example.com/auth/callback?code=c"
	for _, tt := range targets {
		for _, resolve := range []func(string) (string, error){r.Resolve, func(raw string) (string, error) { return r.ResolveFrom("/auth/callback", raw) }} {
			if got, err := resolve(tt.raw); err == nil {
				checkTarget(t, r, base, tt.raw, got, origins)
			}
		}
	}
}

// TestRedirectTargets replays published open-redirect lists, the URL tests of the web platform and harmless targets.
func TestRedirectTargets(t *testing.T) {
	f, err := os.Open(sample.Path(t, "redirect-targets.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hostile, benign := 0, 0
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row struct {
			Input        string   `json:"input"`
			Base         string   `json:"base"`
			AllowedHosts []string `json:"allowed_hosts"`
			Kind         string   `json:"kind"`
			Href         string   `json:"browser_href"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		base, err := whatwg.Parse(row.Base)
		if err != nil {
			t.Fatal(err)
		}
		origins := map[string]bool{base.Protocol() + "//" + base.Host(): true}
		for _, host := range row.AllowedHosts {
			origins["https://"+host] = true
		}
		list := make([]string, 0, len(origins))
		for o := range origins {
			list = append(list, o)
		}
		r := returnTo(t, list...)
		for _, resolve := range []func(string) (string, error){r.Resolve, func(raw string) (string, error) { return r.ResolveFrom(base.Pathname(), raw) }} {
			got, err := resolve(row.Input)
			if err == nil {
				checkTarget(t, r, row.Base, row.Input, got, origins)
			}
			switch row.Kind {
			case "benign":
				benign++
				u, perr := whatwg.ParseRef(row.Base, got)
				if err != nil || perr != nil || u.Href(false) != row.Href {
					t.Errorf("%q gave %q, %v; a browser goes to %s", row.Input, got, err, row.Href)
				}
			case "hostile", "downgrade", "invalid":
				hostile++
				if err == nil && row.Kind != "hostile" {
					t.Errorf("%s %q was accepted as %q", row.Kind, row.Input, got)
				}
				if err == nil && !strings.HasPrefix(got, "/") {
					t.Errorf("hostile %q was accepted as %q", row.Input, got)
				}
			}
		}
	}
	if err := lines.Err(); err != nil || hostile == 0 || benign == 0 {
		t.Fatalf("%d hostile and %d benign rows read, %v", hostile, benign, err)
	}
}

func FuzzResolve(f *testing.F) {
	for _, tt := range targets {
		f.Add("/auth/callback", tt.raw)
	}
	f.Add("//evil.example/x", "y")
	r := returnTo(f, allowed...)
	origins := map[string]bool{}
	for _, o := range allowed {
		origins[o] = true
	}
	f.Fuzz(func(t *testing.T, base, raw string) {
		const page = "https://app.example.com/auth/callback?code=c"
		for _, resolve := range []func(string) (string, error){r.Resolve, func(raw string) (string, error) { return r.ResolveFrom("/auth/callback", raw) }} {
			got, err := resolve(raw)
			if err != nil {
				continue
			}
			checkTarget(t, r, page, raw, got, origins)
			// What is accepted leads where a browser would have gone with the input itself.
			want, err := whatwg.ParseRef(page, raw)
			have, err2 := whatwg.ParseRef(page, got)
			if err != nil || err2 != nil || want.Href(false) != have.Href(false) {
				t.Errorf("%q leads to %v, but %q to %v", raw, want, got, have)
			}
		}
		if got, err := r.ResolveFrom(base, raw); err == nil {
			checkTarget(t, r, page, raw, got, origins)
		}
	})
}

func TestResolveAllocatesOnlyItsResult(t *testing.T) {
	r := returnTo(t, allowed...)
	for _, raw := range []string{"/projects/1/files/src/main.go?line=10#L10-L20", "https://docs.example.com:8443/a/../guide", `/./\evil.example`} {
		if n := testing.AllocsPerRun(100, func() { _, _ = r.Resolve(raw) }); n > 1 {
			t.Errorf("Resolve(%q) allocates %v times", raw, n)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	r := returnTo(b, allowed...)
	for name, raw := range map[string]string{"path": "/projects/1/files/src/main.go?line=10#L10-L20", "absolute": "https://docs.example.com:8443/guide/../index?a=b", "hostile": `/./\evil.example`} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = r.Resolve(raw)
			}
		})
	}
}

func ExampleNewReturnTo() {
	returnTo, err := callback.NewReturnTo("https://app.example.com", "https://docs.example.com:8443")
	if err != nil {
		panic(err)
	}
	for _, raw := range []string{"/inbox/../settings?tab=2#mail", "https://docs.example.com:8443/guide", "//evil.example", `/./\evil.example`} {
		target, err := returnTo.Resolve(raw)
		fmt.Println(target, err)
	}
	// Output:
	// /settings?tab=2#mail <nil>
	// https://docs.example.com:8443/guide <nil>
	// / callback: return target is on an origin that is not allowed
	// / callback: return target has a control, space, backslash or invalid UTF-8
}
