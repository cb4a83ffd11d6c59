package problem_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

func TestWrite(t *testing.T) {
	for _, row := range []struct {
		name    string
		details problem.Details
		status  int
		body    string
	}{
		{"a status alone gets its standard title", problem.Details{Status: 401}, 401, `{"status":401,"title":"Unauthorized"}`},
		{"an unknown client status gets a plain title", problem.Details{Status: 499}, 499, `{"status":499,"title":"Client Error"}`},
		{"an unknown server status gets a plain title", problem.Details{Status: 599}, 599, `{"status":599,"title":"Server Error"}`},
		{"a success status is a mistake and becomes 500", problem.Details{Status: 200}, 500, `{"status":500,"title":"Internal Server Error"}`},
		{
			"type, detail and extensions are sent",
			problem.Details{Status: 429, Type: "https://iana.org/assignments/http-problem-types#quota-exceeded", Title: "Quota exceeded", Detail: "wait", RequestID: "r1", Members: map[string]any{"policies": []string{"p"}}},
			429,
			`{"detail":"wait","policies":["p"],"request_id":"r1","status":429,"title":"Quota exceeded","type":"https://iana.org/assignments/http-problem-types#quota-exceeded"}`,
		},
		{"quotes and markup in a member are escaped", problem.Details{Status: 400, Detail: "a \"b\" <c>\n"}, 400, `{"detail":"a \"b\" \u003cc\u003e\n","status":400,"title":"Bad Request"}`},
		{"a list that sorts last is sent last", problem.Details{Status: 429, Type: "t", Members: map[string]any{"violated-policies": []string{"day", `"x"`}}}, 429, `{"status":429,"title":"Too Many Requests","type":"t","violated-policies":["day","\"x\""]}`},
		{"a list that sorts first is sent first", problem.Details{Status: 429, Members: map[string]any{"<all>": []string{"a"}}}, 429, `{"\u003call\u003e":["a"],"status":429,"title":"Too Many Requests"}`},
		{"an empty list is sent", problem.Details{Status: 429, Members: map[string]any{"all": []string{}}}, 429, `{"all":[],"status":429,"title":"Too Many Requests"}`},
		{"a list cannot replace a standard member", problem.Details{Status: 429, Members: map[string]any{"title": []string{"x"}}}, 429, `{"status":429,"title":"Too Many Requests"}`},
		{"several extensions are sent", problem.Details{Status: 429, Type: "t", Members: map[string]any{"b": []string{"x"}, "a": 1}}, 429, `{"a":1,"b":["x"],"status":429,"title":"Too Many Requests","type":"t"}`},
		{"extensions cannot replace standard members", problem.Details{Status: 400, Members: map[string]any{"status": 1, "title": "x", "type": "x", "detail": "x", "request_id": "x"}}, 400, `{"status":400,"title":"Bad Request"}`},
		{"an extension that JSON cannot say is left out", problem.Details{Status: 400, Members: map[string]any{"f": func() {}}}, 400, `{"status":400,"title":"Bad Request"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			problem.Write(w, httptest.NewRequest("GET", "/", nil), row.details)
			if w.Code != row.status {
				t.Errorf("status: got %d, want %d", w.Code, row.status)
			}
			if got := w.Body.String(); got != row.body+"\n" {
				t.Errorf("body: got %s, want %s", got, row.body)
			}
		})
	}
}

func TestWriteReplacesHeadersOfAnotherRepresentation(t *testing.T) {
	w := httptest.NewRecorder()
	for _, name := range []string{"Content-Encoding", "ETag", "Last-Modified", "Expires", "Content-Range", "Content-Disposition", "Accept-Ranges", "Content-Length", "Cache-Control", "Content-Type"} {
		w.Header().Set(name, "old")
	}
	w.Header().Set("Allow", "GET")
	problem.Write(w, nil, problem.Details{Status: 405})
	want := http.Header{
		"Allow":                  {"GET"},
		"Content-Type":           {"application/problem+json"},
		"Cache-Control":          {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
		"Content-Length":         {"44"},
	}
	for name := range w.Header() {
		if w.Header().Get(name) != want.Get(name) {
			t.Errorf("%s: got %q, want %q", name, w.Header().Get(name), want.Get(name))
		}
	}
	if len(w.Header()) != len(want) {
		t.Errorf("fields: got %v", w.Header())
	}
}

func TestErrorSendsTheStatusAndNotTheText(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(requestid.With(r.Context(), "r7"))
	problem.Error(w, r, errors.Join(refusal.New(403, "the secret cause")))
	if w.Code != 403 || w.Body.String() != `{"request_id":"r7","status":403,"title":"Forbidden"}`+"\n" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestWriteClosesTheConnectionOfAnUnreadRequest(t *testing.T) {
	for status, want := range map[int]string{408: "close", 413: "close", 400: "", 503: ""} {
		w := httptest.NewRecorder()
		problem.Write(w, nil, problem.Details{Status: status})
		if got := w.Header().Get("Connection"); got != want {
			t.Errorf("%d: Connection %q, want %q", status, got, want)
		}
	}
}
