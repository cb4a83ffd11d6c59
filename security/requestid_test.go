package security_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/security"
)

func TestRequestID(t *testing.T) {
	made := regexp.MustCompile(`^[A-Z2-7]{26}$`)
	for _, row := range []struct {
		name   string
		config security.RequestIDConfig
		sent   []string
		kept   bool
	}{
		{"none is sent", security.RequestIDConfig{}, nil, false},
		{"a UUID", security.RequestIDConfig{}, []string{"5f0b0a52-6a1e-4f0c-9d7a-1b2c3d4e5f60"}, true},
		{"letters, digits and the three signs", security.RequestIDConfig{}, []string{"aZ09-_."}, true},
		{"64 characters", security.RequestIDConfig{}, []string{strings.Repeat("a", 64)}, true},
		{"65 characters", security.RequestIDConfig{}, []string{strings.Repeat("a", 65)}, false},
		{"an empty one", security.RequestIDConfig{}, []string{""}, false},
		{"a space", security.RequestIDConfig{}, []string{"a b"}, false},
		{"a forged line", security.RequestIDConfig{}, []string{"a\nlevel=ERROR"}, false},
		{"markup", security.RequestIDConfig{}, []string{"<script>"}, false},
		{"an injection by JNDI", security.RequestIDConfig{}, []string{"${jndi:ldap://x}"}, false},
		{"not ASCII", security.RequestIDConfig{}, []string{"é"}, false},
		{"two of them", security.RequestIDConfig{}, []string{"a", "b"}, false},
		{"a plain one where clients are ignored", security.RequestIDConfig{IgnoreClient: true}, []string{"abc"}, false},
		{"a field of its own", security.RequestIDConfig{Header: "x-trace"}, []string{"abc"}, true},
	} {
		field := "X-Request-Id"
		if row.config.Header != "" {
			field = "X-Trace"
		}
		ids, err := security.NewRequestID(row.config)
		if err != nil {
			t.Fatal(err)
		}
		var seen string
		h := ids.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = security.RequestIDFrom(r.Context()) }))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header[field] = row.sent
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		answered := w.Header().Get(field)
		if row.kept && answered != row.sent[0] || !row.kept && !made.MatchString(answered) || seen != answered {
			t.Errorf("%s: answered %q, in the context %q", row.name, answered, seen)
		}
	}
	if _, err := security.NewRequestID(security.RequestIDConfig{Header: "a b"}); err == nil || err.Error() != `security: RequestIDConfig.Header = "a b" must be a field name` {
		t.Errorf("got %v", err)
	}
}

func TestRequestIDIsInProblemAnswers(t *testing.T) {
	ids, _ := security.NewRequestID(security.RequestIDConfig{})
	r := httptest.NewRequest("POST", "/", strings.NewReader("x"))
	r.Header.Set("X-Request-Id", "abc")
	w := httptest.NewRecorder()
	ids.Wrap(newBody(t, security.BodyConfig{}).Wrap(echo)).ServeHTTP(w, r)
	if want := `{"request_id":"abc","status":415,"title":"Unsupported Media Type"}` + "\n"; w.Body.String() != want {
		t.Errorf("got %s", w.Body)
	}
}

func ExampleNewRequestID() {
	ids, err := security.NewRequestID(security.RequestIDConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := ids.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "request", security.RequestIDFrom(r.Context()))
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Request-Id", "from-the-proxy")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Print(w.Body, w.Header().Get("X-Request-Id"))
	// Output:
	// request from-the-proxy
	// from-the-proxy
}
