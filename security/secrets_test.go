package security_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-go/gatehouse/security"
)

// known is registered in the tests of redaction. It has characters that every encoding changes.
const known = `p/ss+w"ord <7&é>`

func newSecrets(tb testing.TB, values ...string) *security.Secrets {
	tb.Helper()
	s, err := security.NewSecrets(values...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestSecretsFindsEveryEncoding(t *testing.T) {
	s := newSecrets(t, known, "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "🔑 as a key")
	quoted, _ := json.Marshal(known)
	var plain strings.Builder
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	_ = e.Encode(known)
	for _, row := range []struct{ name, text string }{
		{"as it is", "before " + known + " after"},
		{"alone", known},
		{"in a query", "https://example.org/?a=" + url.QueryEscape(known) + "&b=1"},
		{"in a path", "/x/" + url.PathEscape(known)},
		{"percent-encoded in lower case", "/x/" + strings.ToLower(url.PathEscape("p/ss+w\"ord <7&é>"))},
		{"in JSON", string(quoted)},
		{"in JSON without HTML escaping", plain.String()},
		{"by %q", fmt.Sprintf("%q", known)},
		{"in hex", hex.EncodeToString([]byte(known))},
		{"in upper-case hex", strings.ToUpper(hex.EncodeToString([]byte(known)))},
		{"the bytes by %v", fmt.Sprintf("%v", []byte("xy"+known))},
		{"a byte array in JSON", strings.ReplaceAll(fmt.Sprintf("%v", []byte(known)), " ", ",")},
		{"in upper-case escapes of JSON that is ASCII", strings.ReplaceAll(string(quoted), "é", "\\u00E9")},
		{"in JSON that is ASCII", strings.ReplaceAll(string(quoted), "é", "\\u00e9")},
		{"in JSON that is ASCII, with a surrogate pair", `"\ud83d\udd11 as a key"`},
		{"by %+q", fmt.Sprintf("%+q", known)},
		{"by %#v of its bytes", fmt.Sprintf("%#v", []byte(known))},
		{"by % x", fmt.Sprintf("% x", known)},
		{"by % X", fmt.Sprintf("% X", known)},
		{"in HTML", html.EscapeString(known)},
		{"in XML", xmlText(known)},
		{"percent-encoded byte by byte", percentEncoded(known)},
		{"percent-encoded byte by byte in lower case", strings.ToLower(percentEncoded(known))},
		{"in base64", base64.StdEncoding.EncodeToString([]byte(known))},
		{"in base64url", base64.RawURLEncoding.EncodeToString([]byte(known))},
		{"in base64 as a Basic credential, aligned at one", base64.StdEncoding.EncodeToString([]byte("u:bc" + known))},
		{"in base64 as a Basic credential, aligned at two", base64.StdEncoding.EncodeToString([]byte("u:abc" + known + "tail"))},
		{"twice", known + known},
	} {
		if !s.Contains(row.text) {
			t.Errorf("%s: not found in %q", row.name, row.text)
		}
		got := s.Redact(row.text)
		if s.Contains(got) || !strings.Contains(got, "[redacted]") {
			t.Errorf("%s: left %q", row.name, got)
		}
	}
}

func percentEncoded(s string) string {
	return "%" + strings.ReplaceAll(fmt.Sprintf("% X", s), " ", "%")
}

func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

func TestSecretsRedactKeepsWhatIsAround(t *testing.T) {
	s := newSecrets(t, "abcdefgh", "abcdefghijklmnop", "ijklmnopqrstuvwx")
	for _, row := range []struct{ name, text, want string }{
		{"no secret", "nothing here, not even abcdefg", "nothing here, not even abcdefg"},
		{"an empty text", "", ""},
		{"text around it", "a abcdefgh b", "a [redacted] b"},
		{"a value that begins with another one", "-abcdefghijklmnop-", "-[redacted]-"},
		{"two that overlap leave nothing between", "-abcdefghijklmnopqrstuvwx-", "-[redacted]-"},
		{"the short one followed by others", "abcdefgh ijklmnop", "[redacted] ijklmnop"},
	} {
		if got := s.Redact(row.text); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

func TestSecretsRefusesWhatWouldRedactOrdinaryWords(t *testing.T) {
	_, err := security.NewSecrets("longenough", "short", strings.Repeat("x", 16<<10+1))
	want := "security: Secrets[1] must be 8 to 16384 bytes long\nsecurity: Secrets[2] must be 8 to 16384 bytes long"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAddAndRemove(t *testing.T) {
	s := newSecrets(t)
	if s.Contains("first-value second-value") {
		t.Error("an empty registry finds something")
	}
	if err := s.Add("first-value", "first-value", "second-value"); err != nil {
		t.Fatal(err)
	}
	s.Remove("first-value", "never-added")
	if s.Contains("first-value") || !s.Contains("second-value") {
		t.Error("Remove forgot the wrong one")
	}
	if err := s.Add("third-value", "no"); err == nil || s.Contains("third-value") {
		t.Errorf("a refused Add changed the registry: %v", err)
	}
	var none *security.Secrets
	if none.Contains("x") || none.Redact("text") != "text" {
		t.Error("nil holds none")
	}
}

func TestSecretsNeverPrintsItself(t *testing.T) {
	s := newSecrets(t, "first-value")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		if got := fmt.Sprintf(verb, s); got != "[redacted]" {
			t.Errorf("%s: %s", verb, got)
		}
	}
	if b, err := json.Marshal(s); err != nil || string(b) != `"[redacted]"` {
		t.Errorf("%s, %v", b, err)
	}
}

func TestSecretsErrorKeepsTheChain(t *testing.T) {
	s := newSecrets(t, "first-value")
	err := s.Error(fmt.Errorf("dial with first-value: %w", &url.Error{Op: "Get", URL: "/", Err: io.EOF}))
	var target *url.Error
	if !errors.Is(err, io.EOF) || !errors.As(err, &target) || strings.Contains(err.Error(), "first-value") {
		t.Errorf("got %v", err)
	}
	if s.Error(nil) != nil || !errors.Is(s.Error(io.EOF), io.EOF) {
		t.Error("an error without a secret is kept as it is")
	}
}

func TestSecretsMayBeChangedWhileRead(t *testing.T) {
	s := newSecrets(t, "first-value")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			_ = s.Add(fmt.Sprintf("another-value-%d", i))
			_ = s.Redact("first-value and more")
			s.Remove(fmt.Sprintf("another-value-%d", i))
		})
	}
	wg.Wait()
}

func TestSecretsLookDoesNotAllocate(t *testing.T) {
	s := newSecrets(t, known)
	text := strings.Repeat("an ordinary line of a log ", 20)
	if n := testing.AllocsPerRun(100, func() { _ = s.Redact(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func ExampleNewSecrets() {
	secrets, err := security.NewSecrets("correct-horse-battery-staple")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(secrets.Redact("GET /?key=correct-horse-battery-staple"))
	fmt.Println(secrets)
	// Output:
	// GET /?key=[redacted]
	// [redacted]
}

func FuzzSecretsRedact(f *testing.F) {
	f.Add("abcdefgh", "xyz abcdefgh abc")
	f.Add(known, "%22"+url.QueryEscape(known))
	f.Fuzz(func(t *testing.T, secret, text string) {
		s, err := security.NewSecrets(secret)
		if err != nil {
			return
		}
		for piece := range strings.SplitSeq(s.Redact(text+secret+text), "[redacted]") {
			if s.Contains(piece) && strings.Contains(piece, secret) {
				t.Fatalf("%q left in %q", secret, piece)
			}
		}
		if s.Contains(text) == (s.Redact(text) == text) {
			t.Fatalf("Contains and Redact differ on %q", text)
		}
	})
}
