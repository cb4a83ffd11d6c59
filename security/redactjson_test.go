package security_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
)

func newRedactJSON(tb testing.TB, c security.RedactJSONConfig) *security.RedactJSON {
	tb.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	j, err := security.NewRedactJSON(c)
	if err != nil {
		tb.Fatal(err)
	}
	return j
}

func TestRedactJSON(t *testing.T) {
	for _, row := range []struct {
		name   string
		paths  []string
		remove bool
		in     string
		want   string
	}{
		{"a member", []string{"/user/password"}, false, `{"user":{"name":"a","password":"b"}}`, `{"user":{"name":"a","password":"[redacted]"}}`},
		{"a member of the same name elsewhere stays", []string{"/user/password"}, false, `{"password":1,"user":{"x":{"password":2}}}`, `{"password":1,"user":{"x":{"password":2}}}`},
		{"an object whole", []string{"/card"}, false, `{"card":{"n":[1,{}]},"z":1}`, `{"card":"[redacted]","z":1}`},
		{"elements of an array", []string{"/items/*/card"}, false, `{"items":[{"card":1,"n":2},{"n":3}]}`, `{"items":[{"card":"[redacted]","n":2},{"n":3}]}`},
		{"one element", []string{"/1"}, false, `["a","b","c"]`, `["a","[redacted]","c"]`},
		{"any depth", []string{"/**/token"}, false, `{"token":1,"a":[{"token":{"x":1}},{"b":{"token":2}}]}`, `{"token":"[redacted]","a":[{"token":"[redacted]"},{"b":{"token":"[redacted]"}}]}`},
		{"any depth below a name", []string{"/a/**/b"}, false, `{"b":1,"a":{"b":2,"c":{"b":3}}}`, `{"b":1,"a":{"b":"[redacted]","c":{"b":"[redacted]"}}}`},
		{"any depth twice", []string{"/**/a/**/b"}, false, `{"x":{"a":{"y":{"b":1}}},"b":2}`, `{"x":{"a":{"y":{"b":"[redacted]"}}},"b":2}`},
		{"any depth, ways that meet", []string{"/**/a/**/b"}, false, `{"a":{"a":{"a":{"b":1,"c":2}}}}`, `{"a":{"a":{"a":{"b":"[redacted]","c":2}}}}`},
		{"a name that a pointer escapes", []string{"/a~1b~0"}, false, `{"a/b~":1}`, `{"a/b~":"[redacted]"}`},
		{"a name written with an escape", []string{"/password"}, false, `{"p\u0061ssword":1}`, `{"password":"[redacted]"}`},
		{"a name that occurs twice", []string{"/a"}, false, `{"a":1,"a":2}`, `{"a":"[redacted]","a":"[redacted]"}`},
		{"an empty name", []string{"/"}, false, `{"":1}`, `{"":"[redacted]"}`},
		{"removal", []string{"/a", "/l/0"}, true, `{"a":{"x":1},"b":2,"l":[1,2]}`, `{"b":2,"l":[null,2]}`},
		{"several paths", []string{"/a", "/b/c"}, false, `{"a":1,"b":{"c":2,"d":3}}`, `{"a":"[redacted]","b":{"c":"[redacted]","d":3}}`},
		{"a registered secret", nil, false, `{"note":"see registered-value-77","registered-value-77":[1]}`, `{"note":"see [redacted]","[redacted]":[1]}`},
		{"numbers keep their digits", []string{"/x"}, false, ` {"a": 1.10, "b": 12345678901234567890 } `, `{"a":1.10,"b":12345678901234567890}`},
		{"a scalar", []string{"/x"}, false, `"a"`, `"a"`},
	} {
		j := newRedactJSON(t, security.RedactJSONConfig{Paths: row.paths, Remove: row.remove, Secrets: newSecrets(t, listed)})
		got, err := j.Redact([]byte(row.in))
		if err != nil || strings.TrimSpace(string(got)) != row.want {
			t.Errorf("%s: got %s, %v", row.name, got, err)
		}
	}
	j := newRedactJSON(t, security.RedactJSONConfig{Paths: []string{"/a"}})
	for _, in := range []string{"", "{", `{"a":1`, `{"a":`, `{"a":1} {}`, "[1,]", `{"b"`, `{1}`, `[{"b":[`, `{"a"`, `{"a":}`, `[1`, `{"b":1`, "\x00"} {
		if got, err := j.Redact([]byte(in)); !errors.Is(err, security.ErrResponseJSON) || got != nil {
			t.Errorf("%q: %s, %v", in, got, err)
		}
	}
}

func TestRedactJSONWrap(t *testing.T) {
	j := newRedactJSON(t, security.RedactJSONConfig{Paths: []string{"/**/password"}, MaxBytes: 1000})
	write := func(contentType string, parts ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
			}
			w.Header().Set("ETag", `"1"`)
			for _, p := range parts {
				if _, err := io.WriteString(w, p); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
			}
		}
	}
	for _, row := range []struct {
		name    string
		handler http.HandlerFunc
		status  int
		body    string
	}{
		{"JSON in parts", write("application/json", `{"password":`, `"a","b":`, `1}`), 200, `{"password":"[redacted]","b":1}`},
		{"JSON with a suffix and a parameter", write("Application/HAL+JSON; charset=utf-8", `{"password":"a"}`), 200, `{"password":"[redacted]"}`},
		{"JSON that does not say so", write("", `{"password":"a"}`), 200, `{"password":"[redacted]"}`},
		{"another type", write("text/html", `{"password":"a"}`, `b`), 200, `{"password":"a"}b`},
		{"a type that is guessed", write("", `<p>"password"`), 200, `<p>"password"`},
		{"broken JSON", write("application/json", `{"password":"a"`), 500, `{"status":500,"title":"Internal Server Error"}`},
		{"JSON that a handler compressed", write("application/json", "\x1f\x8b\x08"), 500, `{"status":500,"title":"Internal Server Error"}`},
		{"JSON above the bound", write("application/json", `{"a":"`, strings.Repeat("x", 1000), `"}`), 500, `{"status":500,"title":"Internal Server Error"}`},
		{"a status", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(404)
			w.WriteHeader(500)
			_, _ = io.WriteString(w, `{"password":1}`)
		}, 404, `{"password":"[redacted]"}`},
		{"a status alone", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(204)
		}, 204, ``},
		{"nothing", func(http.ResponseWriter, *http.Request) {}, 200, ``},
		{"a flush before JSON", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			f, _ := w.(http.Flusher)
			f.Flush()
			if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
				t.Error("a recorder cannot be taken over")
			}
			if err := http.NewResponseController(w).SetReadDeadline(time.Now()); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("a recorder has no deadline: %v", err)
			}
			_, _ = io.WriteString(w, `{"password":1}`)
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("taken over with JSON held back: %v", err)
			}
		}, 200, `{"password":"[redacted]"}`},
	} {
		w := httptest.NewRecorder()
		j.Wrap(row.handler).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != row.status || strings.TrimSpace(w.Body.String()) != row.body {
			t.Errorf("%s: got %d %s", row.name, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "redacted") && (w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) || w.Header().Get("ETag") != "") {
			t.Errorf("%s: the header describes the bytes before: %v", row.name, w.Header())
		}
	}
}

func TestRedactJSONPassesEarlyHintsAndTakenConnections(t *testing.T) {
	j := newRedactJSON(t, security.RedactJSONConfig{Paths: []string{"/a"}})
	srv := httptest.NewServer(j.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/take" {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = conn.Close()
			return
		}
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"a":1}`)
	})))
	defer srv.Close()
	for path, want := range map[string]string{"/": `200 {"a":"[redacted]"}`, "/take": "202"} {
		res, err := http.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got := strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", string(body))); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestNewRedactJSONReportsEveryMistake(t *testing.T) {
	_, err := security.NewRedactJSON(security.RedactJSONConfig{Paths: []string{"a", "", "/a/**"}, MaxBytes: -1})
	want := `security: RedactJSONConfig.Paths[0] = "a" must begin with a slash, and not end in **
security: RedactJSONConfig.Paths[1] = "" must begin with a slash, and not end in **
security: RedactJSONConfig.Paths[2] = "/a/**" must begin with a slash, and not end in **
security: RedactJSONConfig.MaxBytes = -1 must not be negative`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
	if _, err := security.NewRedactJSON(security.RedactJSONConfig{}); err == nil || !strings.Contains(err.Error(), "must name what to redact") {
		t.Errorf("the zero value: %v", err)
	}
	if _, err := security.NewRedactJSON(security.RedactJSONConfig{Paths: make([]string, 300)}); err == nil || !strings.Contains(err.Error(), `"300 paths" must be at most 256`) {
		t.Errorf("too many: %v", err)
	}
}

func ExampleNewRedactJSON() {
	redact, err := security.NewRedactJSON(security.RedactJSONConfig{Paths: []string{"/users/*/email", "/**/password"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := redact.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"users":[{"name":"Ann","email":"ann@example.com","login":{"password":"x"}}]}`)
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Body)
	// Output: {"users":[{"name":"Ann","email":"[redacted]","login":{"password":"[redacted]"}}]}
}

func FuzzRedactJSON(f *testing.F) {
	for _, s := range []string{`{"password":1}`, `[{"a":{"password":"x"}}]`, `{"a":[1,2,{"password":[]}],"b":null}`, `"x"`, "1E1000"} {
		f.Add(s)
	}
	j := newRedactJSON(f, security.RedactJSONConfig{Paths: []string{"/**/password", "/a/*/b"}})
	f.Fuzz(func(t *testing.T, in string) {
		out, err := j.Redact([]byte(in))
		if err != nil {
			return
		}
		var tree any
		d := json.NewDecoder(bytes.NewReader(out))
		d.UseNumber() // a number may be larger than any of Go's
		if err := d.Decode(&tree); err != nil {
			t.Fatalf("%q: %s, %v", in, out, err)
		}
		var walk func(any)
		walk = func(v any) {
			switch v := v.(type) {
			case map[string]any:
				for name, member := range v {
					if name == "password" && member != "[redacted]" {
						t.Fatalf("%q: %s", in, out)
					}
					walk(member)
				}
			case []any:
				for _, element := range v {
					walk(element)
				}
			}
		}
		walk(tree)
	})
}
