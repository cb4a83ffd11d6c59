package security_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
)

// hidden is never registered: only a name or a form can betray it. listed is.
const (
	hidden = "hunter2-Zq9"
	listed = "registered-value-77"
	jwt    = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

// apiKey is a key that this package made.
var apiKey, _, _ = security.NewAPIKey("acme", "ann")

func newRedactor(tb testing.TB, next slog.Handler) *security.Redactor {
	tb.Helper()
	h, err := security.NewRedactor(next, security.RedactorConfig{Secrets: newSecrets(tb, listed), Keys: []string{"iban"}})
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

type login struct {
	User     string
	Password string
	Short    string `json:"s"`
	Secret   string `json:"x"`
	Skipped  string `json:"-"`
	Inner    struct{ APIKey string }
	private  string
	*login
}

type valuer struct{ v any }

func (v valuer) LogValue() slog.Value { return slog.AnyValue(v.v) }

type grouped struct{}

func (grouped) LogValue() slog.Value {
	return slog.GroupValue(slog.String("user", "ann"), slog.String("password", hidden))
}

type stringer string

func (s stringer) String() string { return "value " + string(s) }

type texter string

func (s texter) MarshalText() ([]byte, error) { return []byte(s), nil }

type jsoner string

func (s jsoner) MarshalJSON() ([]byte, error) { return []byte(s), nil }

type broken struct{}

func (broken) String() string { panic("no " + hidden) }

type failing struct{}

func (failing) MarshalText() ([]byte, error) { return nil, errors.New("no text: token=" + hidden) }

type fails struct{ _ int }

func (fails) MarshalText() ([]byte, error) { return nil, errors.New("no") }

type failingJSON struct{}

func (failingJSON) MarshalJSON() ([]byte, error) { return nil, errors.New("no json: token=" + hidden) }

// Each row is one way in which a secret reaches a log line; the line is printed by both of slog's handlers.
func TestRedactorLeaksNoShape(t *testing.T) {
	request := httptest.NewRequest("GET", "/x?token="+hidden, nil)
	request.Header.Set("Authorization", "Bearer "+hidden)
	cyclic := map[string]any{"password": hidden}
	cyclic["self"] = cyclic
	for _, row := range []struct {
		name string
		log  func(l *slog.Logger)
	}{
		{"a key's name", func(l *slog.Logger) { l.Info("m", "password", hidden) }},
		{"a key's name in camel case", func(l *slog.Logger) { l.Info("m", "dbPassword", hidden, "accessTokenValue", hidden) }},
		{"a key's name as a header", func(l *slog.Logger) { l.Info("m", "X-Api-Key", hidden, "Set-Cookie", "sid="+hidden) }},
		{"a key the application named", func(l *slog.Logger) { l.Info("m", "IBAN", hidden) }},
		{"a key the application named inside another", func(l *slog.Logger) { l.Info("m", "customerIBAN", hidden, "iban-of-payee", hidden) }},
		{"a number under a secret name", func(l *slog.Logger) { l.Info("m", "pin", 77012345, "n", slog.StringValue(listed)) }},
		{"a registered value in the message", func(l *slog.Logger) { l.Info("use " + listed + " now") }},
		{"a pair in the message", func(l *slog.Logger) { l.Info("login with password=" + hidden + " failed") }},
		{"a pair with a colon in the message", func(l *slog.Logger) { l.Info("password: " + hidden) }},
		{"a registered value in an attribute", func(l *slog.Logger) { l.Info("m", "note", "see "+listed) }},
		{"a registered value as a key", func(l *slog.Logger) { l.Info("m", listed, 1) }},
		{"an error", func(l *slog.Logger) { l.Info("m", "err", fmt.Errorf("wrap: %w", errors.New("bad "+listed))) }},
		{"an error with a query", func(l *slog.Logger) {
			l.Info("m", "err", &url.Error{Op: "Get", URL: "https://a.example/?access_token=" + hidden, Err: errors.New("refused")})
		}},
		{"a query in a string", func(l *slog.Logger) { l.Info("m", "url", "/cb?state=1&code=2&client_secret="+hidden+"&x=1") }},
		{"a query whose name is encoded", func(l *slog.Logger) { l.Info("m", "url", "/cb?%74oken="+hidden) }},
		{"a nested form name", func(l *slog.Logger) { l.Info("m", "form", "user[password]="+hidden+"&a=b") }},
		{"the userinfo of a URL", func(l *slog.Logger) { l.Info("m", "dsnless", "postgres://app:"+hidden+"@db:5432/x") }},
		{"a token as userinfo", func(l *slog.Logger) { l.Info("git clone https://" + hidden + "@github.com/a/b") }},
		{"a URL value", func(l *slog.Logger) { u, _ := url.Parse("https://u:" + hidden + "@h/"); l.Info("m", "u", u, "v", *u) }},
		{"url.Values", func(l *slog.Logger) { l.Info("m", "q", url.Values{"token": {hidden}, "b": {listed}}) }},
		{"JSON in a string", func(l *slog.Logger) { l.Info("m", "body", `{"a":1,"password":"`+hidden+` and more","b":2}`) }},
		{"JSON with a number", func(l *slog.Logger) { l.Info("m", "body", `{"pin": 77012345}`, "n", listed) }},
		{"JSON in JSON in a string", func(l *slog.Logger) { l.Info("m", "body", `{"a":"{\"password\":\"`+hidden+`\"}"}`) }},
		{"JSON with escapes in the value", func(l *slog.Logger) { l.Info("m", "body", `{"password":"a\"b`+hidden+`"}`) }},
		{"a JSON object under a secret name", func(l *slog.Logger) { l.Info("m", "body", `{"credentials":{"a":"b","c":["`+hidden+`"]}}`) }},
		{"raw JSON", func(l *slog.Logger) { l.Info("m", "body", json.RawMessage(`{"password":"`+hidden+`"}`)) }},
		{"broken JSON", func(l *slog.Logger) { l.Info("m", "body", json.RawMessage(`{"password":"`+hidden)) }},
		{"a struct", func(l *slog.Logger) {
			l.Info("m", "v", login{Password: hidden, Secret: hidden, Skipped: hidden, private: hidden, Short: listed})
		}},
		{"a pointer to a struct that embeds itself", func(l *slog.Logger) {
			v := &login{Password: hidden}
			v.login = v
			v.Inner.APIKey = hidden
			l.Info("m", "v", v)
		}},
		{"a struct printed into the message", func(l *slog.Logger) {
			l.Info(fmt.Sprintf("%+v", struct{ User, Password, Note string }{"ann", hidden + " and more " + hidden, "x"}))
		}},
		{"a map", func(l *slog.Logger) { l.Info("m", "v", map[string]any{"a": map[string]string{"password": hidden}}) }},
		{"a map that holds itself", func(l *slog.Logger) { l.Info("m", "v", cyclic) }},
		{"a map with a registered key", func(l *slog.Logger) { l.Info("m", "v", map[string]int{listed: 1}) }},
		{"a map printed into the message", func(l *slog.Logger) { l.Info(fmt.Sprint(map[string][]string{"Authorization": {"Bearer " + hidden}})) }},
		{"a slice", func(l *slog.Logger) { l.Info("m", "v", []any{"a", []string{listed}, [1]string{listed}}) }},
		{"bytes", func(l *slog.Logger) { l.Info("m", "v", []byte(`{"password":"`+hidden+`"}`)) }},
		{"a named byte slice and a byte array", func(l *slog.Logger) {
			type raw []byte
			l.Info("m", "v", raw("x "+listed), "w", [len(listed)]byte([]byte(listed)))
		}},
		{"http.Header", func(l *slog.Logger) {
			l.Info("m", "h", http.Header{"Authorization": {"Basic " + hidden}, "Cookie": {"a=" + hidden}, "X-Other": {listed}})
		}},
		{"a request", func(l *slog.Logger) { l.Info("m", "r", request) }},
		{"a cookie", func(l *slog.Logger) {
			l.Info("m", "c", &http.Cookie{Name: "a", Value: hidden}, "d", http.Cookie{Name: "a", Value: hidden})
		}},
		{"header lines in a dump", func(l *slog.Logger) {
			l.Info("m", "dump", "GET / HTTP/1.1\r\nCookie: a="+hidden+"; b=c "+hidden+"\r\nHost: x\r\nAuthorization: Digest x="+hidden+", y="+hidden)
		}},
		{"a JSON Web Token", func(l *slog.Logger) { l.Info("got "+jwt, "v", jwt) }},
		{"a Bearer credential in a sentence", func(l *slog.Logger) { l.Info("sent bearer " + hidden + " to x") }},
		{"a provider's token", func(l *slog.Logger) { l.Info("got ghp_16C7e42F292c6912E7710c838347Ae178B4a") }},
		{"a private key", func(l *slog.Logger) {
			l.Info("m", "k", "-----BEGIN EC PRIVATE KEY-----\n"+hidden+"\n-----END EC PRIVATE KEY-----\n")
		}},
		{"a private key that is cut", func(l *slog.Logger) { l.Info("-----BEGIN PRIVATE KEY-----\n" + hidden) }},
		{"a LogValuer", func(l *slog.Logger) { l.Info("m", "v", valuer{valuer{"x " + listed}}, "g", grouped{}) }},
		{"a LogValuer inside a slice", func(l *slog.Logger) { l.Info("m", "v", []any{grouped{}, valuer{listed}}) }},
		{"slog's own types as values", func(l *slog.Logger) {
			l.Info("m", "v", []any{slog.String("password", hidden), slog.StringValue(listed)})
		}},
		{"a Stringer", func(l *slog.Logger) { l.Info("m", "v", stringer(listed), "b", broken{}) }},
		{"a TextMarshaler", func(l *slog.Logger) {
			l.Info("m", "v", texter("token="+hidden), "e", failing{}, "m", map[texter]int{texter(listed): 1}, "i", map[int]string{1: listed})
		}},
		{"a json.Marshaler", func(l *slog.Logger) {
			l.Info("m", "v", jsoner(`{"password":"`+hidden+`"}`), "e", failingJSON{}, "big", jsoner(`["`+strings.Repeat("x", 20000)+hidden+`"]`))
		}},
		{"a group", func(l *slog.Logger) { l.Info("m", slog.Group("g", "password", hidden, "x", listed)) }},
		{"a group with a secret name", func(l *slog.Logger) { l.Info("m", slog.Group("credentials", "user", hidden, "n", 77012345)) }},
		{"With", func(l *slog.Logger) { l.With("password", hidden, "x", listed).Info("m") }},
		{"WithGroup with a secret name", func(l *slog.Logger) { l.WithGroup("secrets").With("a", hidden).Info("m", "b", hidden) }},
		{"a value cut at the bound", func(l *slog.Logger) { l.Info(strings.Repeat("x", 16<<10-5) + listed) }},
		{"bytes cut at the bound", func(l *slog.Logger) { l.Info("m", "v", []byte(strings.Repeat("x", 16<<10-5)+listed)) }},
		{"a command line", func(l *slog.Logger) {
			l.Info("run --password "+hidden+" -token '"+hidden+"' x", "args", []string{"--db-password", hidden, "-x"}, "any", []any{"-token", hidden, 7, "x"})
		}},
		{"an element of XML", func(l *slog.Logger) {
			l.Info("<login><ns:password a='b'>"+hidden+"</ns:password><token>"+hidden, "x", "<password>"+hidden)
		}},
		{"a data source name", func(l *slog.Logger) {
			l.Info("open ann:"+hidden+"@tcp(127.0.0.1:3306)/db", "u", "ann:"+hidden+"@unix(/tmp/x)/db")
		}},
		{"an authorization code", func(l *slog.Logger) {
			l.Info("GET /cb?code="+hidden+"&state=1 and /cb?state=1&code="+hidden, "q", url.Values{"code": {hidden}, "state": {"1"}})
		}},
		{"an API key of this package", func(l *slog.Logger) {
			l.Info("sent "+apiKey+" and "+apiKey, "x", apiKey)
		}},
		{"YAML, TOML and an environment", func(l *slog.Logger) {
			l.Info("password: "+hidden+"\nuser: ann\napiKey: '"+hidden+" x'\n", "toml", "secret = \""+hidden+"\"", "env", "export DB_PASSWORD="+hidden+" X=1")
		}},
		{"brackets that never close", func(l *slog.Logger) {
			l.Info("map[password:["+hidden, "v", "password={a "+hidden, "w", "password=("+hidden+")")
		}},
		{"a quote that never closes", func(l *slog.Logger) {
			l.Info(`password="`+hidden, "v", "password=`"+hidden+" x`", "w", `password=\\"`+hidden+`\\" y`)
		}},
		{"a header line that ends as Go quotes it", func(l *slog.Logger) { l.Info(`dump "Cookie: a=` + hidden + `\r\nHost: x"`) }},
		{"JSON Web Tokens behind other words", func(l *slog.Logger) { l.Info("token-" + jwt + " x_" + jwt + " eyJ-eyJ-" + jwt) }},
		{"Bearer in other spellings", func(l *slog.Logger) {
			l.Info("sent Bearer%20"+hidden+" and bearer+"+hidden+", BEARER   "+hidden, "x", "bearer-free")
		}},
		{"a private key whose end is cut", func(l *slog.Logger) { l.Info("-----BEGIN PRIVATE KEY-----\n" + hidden + "\n-----END PRIV") }},
		{"a value cut inside a character", func(l *slog.Logger) { l.Info(strings.Repeat("é", 9000) + hidden) }},
		{"a map with keys of other types", func(l *slog.Logger) {
			l.Info("m", "v", map[any]string{1.5: listed, failing{}: listed}, "w", map[fails]string{{}: listed})
		}},
		{"a map of counts and times that describe secrets", func(l *slog.Logger) {
			l.Info("m", "v", map[string]any{"token_ttl": time.Second, "tokens": json.Number("77"), "password_length": "registered-value-77"})
		}},
		{"many parameters", func(l *slog.Logger) {
			q := url.Values{"token": {hidden}}
			for i := range 2000 {
				q.Set(fmt.Sprint("p", i), "x")
			}
			l.Info("m", "q", q)
		}},
		{"many attributes in a group", func(l *slog.Logger) {
			var attrs []any
			for range 2000 {
				attrs = append(attrs, "token", hidden)
			}
			l.Info("m", slog.Group("g", attrs...))
		}},
		{"an authority that never ends", func(l *slog.Logger) { l.Info("https://ann:" + hidden + "@") }},
		{"a name with many separators", func(l *slog.Logger) {
			l.Info("password " + strings.Repeat(" ", 3) + "=" + strings.Repeat(" ", 20) + hidden + "\npassword=" + hidden)
		}},
		{"a value of backslashes", func(l *slog.Logger) { l.Info(`password=\\\`, "v", hidden[:0]) }},
		{"a struct printed with its name's value of spaces", func(l *slog.Logger) { l.Info("{Password:"+hidden+" x y, z", "v", "{Password:"+hidden+" a}") }},
		{"a pair after many others", func(l *slog.Logger) { l.Info(strings.Repeat("a=b&", 2000) + "token=" + hidden) }},
	} {
		for _, format := range []string{"json", "text"} {
			var out bytes.Buffer
			var next slog.Handler = slog.NewJSONHandler(&out, nil)
			if format == "text" {
				next = slog.NewTextHandler(&out, nil)
			}
			row.log(slog.New(newRedactor(t, next)))
			line := out.String()
			for _, secret := range []string{hidden, "hunter2", listed, listed[:12], "77012345", apiKey[20:40], jwt, jwt[25:40], "16C7e42F292c"} {
				if strings.Contains(line, secret) {
					t.Errorf("%s (%s): %s in %s", row.name, format, secret, line)
					break
				}
			}
			if line == "" {
				t.Errorf("%s (%s): nothing was logged", row.name, format)
			}
		}
	}
}

// What is no secret is printed as it was: a log that hides everything is no log.
func TestRedactorKeepsOrdinaryValues(t *testing.T) {
	for _, row := range []struct {
		name string
		args []any
		want string
	}{
		{"a sentence about tokens", []any{"v", "the bearer token is missing, basic authentication failed"}, `"v":"the bearer token is missing, basic authentication failed"`},
		{"a challenge", []any{"v", `Bearer realm="x", error="invalid_token"`}, `"v":"Bearer realm=\"x\", error=\"invalid_token\""`},
		{"numbers that describe a secret", []any{"token_count", 12, "password_length", 9, "session_ttl", time.Second}, `"token_count":12,"password_length":9,"session_ttl":1000000000`},
		{"the type of a token", []any{"token_type", "Bearer"}, `"token_type":"Bearer"`},
		{"names that hold a short word", []any{"passenger", "ann", "author", "bob", "pins", 3, "design", "x"}, `"passenger":"ann","author":"bob","pins":3,"design":"x"`},
		{"a URL", []any{"url", "https://example.org/a?b=c&d=e#f"}, `"url":"https://example.org/a?b=c&d=e#f"`},
		{"a time of day", []any{"v", "at 10:20:30"}, `"v":"at 10:20:30"`},
		{"an empty password", []any{"password", ""}, `"password":""`},
		{"nil", []any{"v", nil, "password", nil}, `"v":null,"password":null`},
		{"numbers", []any{"a", 1, "b", 2.5, "c", true, "d", uint8(3)}, `"a":1,"b":2.5,"c":true,"d":3`},
		{"a struct", []any{"v", struct {
			A int `json:"a"`
			B []string
			C *int
			D map[string]int
			E any
			F func() `json:"f"`
			G complex128
		}{A: 1, B: []string{"x"}}}, `"v":{"B":["x"],"C":null,"D":null,"E":null,"G":"(0+0i)","a":1,"f":"[func()]"}`},
		{"bytes that are no text", []any{"v", []byte{0xff, 0xfe}}, `"v":"[2 bytes]"`},
		{"nil pointers", []any{"c", (*http.Cookie)(nil), "r", (*http.Request)(nil), "b", []byte(nil), "s", []string(nil)}, `"c":null,"r":null,"b":null,"s":null`},
		{"a public key in PEM", []any{"v", "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----"}, `"v":"-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----"`},
		{"dashes", []any{"v", "a-b -- c -----BEGIN x"}, `"v":"a-b -- c -----BEGIN x"`},
		{"a group", []any{slog.Group("g", "a", 1)}, `"g":{"a":1}`},
		{"a time in a map", []any{"m", map[string]any{"t": time.Unix(0, 0).UTC(), "tokens": 3}}, `"m":{"t":"1970-01-01T00:00:00Z","tokens":3}`},
		{"a prefix in a sentence", []any{"v", "keys begin with sk_live_ or ghp_"}, `"v":"keys begin with sk_live_ or ghp_"`},
		{"counts in text", []any{"v", "tokens=12 used, token_count=3"}, `"v":"tokens=12 used, token_count=3"`},
		{"a status code in a query", []any{"v", "code=200 and ?errorcode=3"}, `"v":"code=200 and ?errorcode=3"`},
		{"options that are no secrets", []any{"v", "run --verbose yes -x", "args", []string{"--user", "ann", "--password=", "x", "-"}}, `"v":"run --verbose yes -x","args":["--user","ann","--password=","x","-"]`},
		{"elements that are no secrets", []any{"v", "a > b <user>ann</user> <x>y"}, `"v":"a > b <user>ann</user> <x>y"`},
		{"an at sign without a password", []any{"v", "ann@tcp(127.0.0.1)/db @tcp(x"}, `"v":"ann@tcp(127.0.0.1)/db @tcp(x"`},
		{"the shape of an API key without its check", []any{"v", "acme_abcdefghijkl_abcdefghijklmnopqrstuvwxyz234567abcdefg"}, `"v":"acme_abcdefghijkl_abcdefghijklmnopqrstuvwxyz234567abcdefg"`},
		{"the beginning of an API key", []any{"v", "acme_abcdefghijkl_x"}, `"v":"acme_abcdefghijkl_x"`},
		{"a name at the very end", []any{"v", "password="}, `"v":"password="`},
		{"nil values of a query", []any{"v", url.Values(nil)}, `"v":null`},
		{"a JWT that is too short to be one", []any{"v", "eyJ.x eyJhbGciOiJIUzI1NiJ9"}, `"v":"eyJ.x eyJhbGciOiJIUzI1NiJ9"`},
		{"an address", []any{"v", "mail ann@example.org or see http://x/@b"}, `"v":"mail ann@example.org or see http://x/@b"`},
	} {
		var out bytes.Buffer
		slog.New(newRedactor(t, slog.NewJSONHandler(&out, nil))).Info("m", row.args...)
		if !strings.Contains(out.String(), row.want) {
			t.Errorf("%s: got %s, want %s", row.name, out.String(), row.want)
		}
	}
}

func TestRedactorBoundsWhatItPrints(t *testing.T) {
	var out bytes.Buffer
	l := slog.New(newRedactor(t, slog.NewJSONHandler(&out, nil)))
	wide := make([]int, 1_000_000)
	table := map[int]int{}
	for i := range 5000 {
		table[i] = i
	}
	var deep any = "end"
	for range 1000 {
		deep = []any{deep}
	}
	l.Info(strings.Repeat("x", 1<<20), "wide", wide, "deep", deep, "table", table, "bytes", bytes.Repeat([]byte("é"), 1<<20))
	if out.Len() > 80<<10 {
		t.Errorf("a line of %d bytes", out.Len())
	}
	if !strings.Contains(out.String(), "[cut]") || !strings.Contains(out.String(), "[left out]") {
		t.Error("what is missing is not said")
	}
}

func TestRedactorPassesACleanRecordAsItIs(t *testing.T) {
	h := newRedactor(t, slog.DiscardHandler)
	l := slog.New(newRedactor(t, slog.NewTextHandler(&bytes.Buffer{}, &slog.HandlerOptions{Level: slog.LevelError})))
	if h.Enabled(context.Background(), slog.LevelInfo) || l.Enabled(context.Background(), slog.LevelInfo) {
		t.Error("the wrapped handler decides what is enabled")
	}
	if h.WithGroup("") != slog.Handler(h) || h.WithAttrs(nil) != slog.Handler(h) {
		t.Error("an empty group or no attributes change nothing")
	}
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "an ordinary message", 0)
	r.AddAttrs(slog.String("method", "GET"), slog.Int("status", 200), slog.Duration("took", time.Second))
	if n := testing.AllocsPerRun(100, func() { _ = h.Handle(context.Background(), r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNewRedactorReportsEveryMistake(t *testing.T) {
	_, err := security.NewRedactor(nil, security.RedactorConfig{Keys: []string{"--"}, MaxValue: -1})
	want := "security: next must not be nil\nsecurity: RedactorConfig.MaxValue = -1 must be 0 to 1048576\nsecurity: RedactorConfig.Keys = \"--\" must hold a letter or a digit"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func ExampleNewRedactor() {
	plain := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	redactor, err := security.NewRedactor(plain, security.RedactorConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	log := slog.New(redactor)
	log.Info("signed in", "user", "ann", "password", "hunter2")
	log.Info("called back", "url", "/callback?state=1&access_token=hunter2")
	// Output:
	// level=INFO msg="signed in" user=ann password=[redacted]
	// level=INFO msg="called back" url="/callback?state=1&access_token=[redacted]"
}

func FuzzRedactorText(f *testing.F) {
	for _, s := range []string{"password=x", `{"token":"a\"b"}`, "Cookie: a=b", "https://u:p@h/", "Bearer abc", "eyJa.eyJb.c", "-----BEGIN PRIVATE KEY-----", `\"secret\":\"x\"`} {
		f.Add(s, "a b")
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		var out bytes.Buffer
		l := slog.New(newRedactor(t, slog.NewJSONHandler(&out, nil)))
		l.Info(before+listed+after, "k", before+"\n{\"password\":\""+hidden+"\"}", "v", map[string]any{before: before})
		if strings.Contains(out.String(), listed) {
			t.Fatalf("%s", out.String())
		}
	})
}
