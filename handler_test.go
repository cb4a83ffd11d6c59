package gatehouse_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/justinas/alice"

	"github.com/gatehouse-go/gatehouse"
)

// says answers with a text and the method it saw.
func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, text+" "+r.Method) })
}

func TestHandlerAnswersEveryMethod(t *testing.T) {
	full := gatehouse.Methods{
		Get: says("get"), Post: says("post"), Put: says("put"), Patch: says("patch"), Delete: says("delete"),
		Extra: map[string]http.Handler{"PROPFIND": says("find"), "purge": says("purge")},
	}
	both := says("both")
	for _, row := range []struct {
		name    string
		methods gatehouse.Methods
		request string
		status  int
		allow   string
		body    string
	}{
		{"GET by its handler", full, "GET", 200, "", "get GET"},
		{"HEAD by the handler of GET, which sees HEAD", full, "HEAD", 200, "", "get HEAD"},
		{"HEAD by a handler of its own", gatehouse.Methods{Get: says("get"), Head: says("head")}, "HEAD", 200, "", "head HEAD"},
		{"POST by its handler", full, "POST", 200, "", "post POST"},
		{"PUT by its handler", full, "PUT", 200, "", "put PUT"},
		{"PATCH by its handler", full, "PATCH", 200, "", "patch PATCH"},
		{"DELETE by its handler", full, "DELETE", 200, "", "delete DELETE"},
		{"an extra method by its handler", full, "PROPFIND", 200, "", "find PROPFIND"},
		{"extra methods are case-sensitive", full, "PURGE", 405, "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PROPFIND, PUT, purge", problem405},
		{"one handler for two methods", gatehouse.Methods{Get: both, Post: both}, "POST", 200, "", "both POST"},
		{"OPTIONS automatically, with HEAD and OPTIONS in Allow", gatehouse.Methods{Get: says("get"), Post: says("post")}, "OPTIONS", 204, "GET, HEAD, OPTIONS, POST", ""},
		{"OPTIONS by a handler of its own", gatehouse.Methods{Get: says("get"), Options: says("options")}, "OPTIONS", 200, "", "options OPTIONS"},
		{"OPTIONS refused, and not in Allow", gatehouse.Methods{Get: says("get"), RefuseOptions: true}, "OPTIONS", 405, "GET, HEAD", problem405},
		{"other methods where OPTIONS is refused", gatehouse.Methods{Get: says("get"), RefuseOptions: true}, "PUT", 405, "GET, HEAD", problem405},
		{"OPTIONS where there is no GET does not list HEAD", gatehouse.Methods{Post: says("post")}, "OPTIONS", 204, "OPTIONS, POST", ""},
		{"a method without handler is 405", gatehouse.Methods{Get: says("get")}, "POST", 405, "GET, HEAD, OPTIONS", problem405},
		{"HEAD without GET is 405", gatehouse.Methods{Post: says("post")}, "HEAD", 405, "OPTIONS, POST", problem405},
		{"a GET with a side effect does not answer HEAD", gatehouse.Methods{Get: says("get"), UnsafeGet: true}, "HEAD", 405, "GET, OPTIONS", problem405},
		{"a GET with a side effect answers GET", gatehouse.Methods{Get: says("get"), UnsafeGet: true}, "GET", 200, "", "get GET"},
		{"HEAD of its own beside a GET with a side effect", gatehouse.Methods{Get: says("get"), Head: says("head"), UnsafeGet: true}, "HEAD", 200, "", "head HEAD"},
		{"TRACE is never served", full, "TRACE", 405, "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PROPFIND, PUT, purge", problem405},
		{"CONNECT is never served", gatehouse.Methods{Get: says("get")}, "CONNECT", 405, "GET, HEAD, OPTIONS", problem405},
		{"an invented method is 405", gatehouse.Methods{Get: says("get")}, "FOO", 405, "GET, HEAD, OPTIONS", problem405},
		{"methods are case-sensitive", gatehouse.Methods{Get: says("get")}, "get", 405, "GET, HEAD, OPTIONS", problem405},
	} {
		t.Run(row.name, func(t *testing.T) {
			h, err := gatehouse.CreateHandler(row.methods)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "/", nil)
			r.Method = row.request
			h.ServeHTTP(w, r)
			if w.Code != row.status || w.Header().Get("Allow") != row.allow || w.Body.String() != row.body {
				t.Errorf("got %d, Allow %q, body %q", w.Code, w.Header().Get("Allow"), w.Body)
			}
			if w.Code == 405 && w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("Content-Type: %q", w.Header().Get("Content-Type"))
			}
		})
	}
}

const problem405 = `{"status":405,"title":"Method Not Allowed"}` + "\n"

func TestHandlerAnswersServerWideOptionsWithoutAllow(t *testing.T) {
	h, err := gatehouse.CreateHandler(gatehouse.Methods{Get: says("get")})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.Config.DisableGeneralOptionsHandler = true
	srv.Start()
	defer srv.Close()
	r, _ := http.NewRequestWithContext(t.Context(), "OPTIONS", srv.URL, nil)
	r.URL.Opaque = "*"
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 204 || res.Header.Get("Allow") != "" {
		t.Errorf("got %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
}

func TestHandlerSendsNoBodyForHead(t *testing.T) {
	h, err := gatehouse.CreateHandler(gatehouse.Methods{Get: says("get")})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	res, err := http.Head(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 200 || len(body) != 0 {
		t.Errorf("got %d with %q", res.StatusCode, body)
	}
}

func TestCreateHandlerReportsEveryMistake(t *testing.T) {
	var nilFunc http.HandlerFunc
	var nilMux *http.ServeMux
	nothing := func(http.Handler) http.Handler { return nil }
	for _, row := range []struct {
		name    string
		methods gatehouse.Methods
		mw      []alice.Constructor
		want    []string
	}{
		{"no handler", gatehouse.Methods{}, nil, []string{"gatehouse: Methods must have at least one handler"}},
		{"a nil func", gatehouse.Methods{Get: nilFunc}, nil, []string{"gatehouse: Methods.Get must not be a nil http.HandlerFunc"}},
		{"a nil pointer", gatehouse.Methods{Post: nilMux}, nil, []string{"gatehouse: Methods.Post must not be a nil *http.ServeMux"}},
		{"a nil extra", gatehouse.Methods{Extra: map[string]http.Handler{"LOCK": nil}}, nil, []string{`gatehouse: Methods.Extra["LOCK"] must not be nil`}},
		{
			"bad method names, in order",
			gatehouse.Methods{Extra: map[string]http.Handler{"": says(""), "A B": says(""), "GET": says(""), "delete": says(""), "TRACE": says(""), "CONNECT": says(""), "É": says("")}},
			nil,
			[]string{
				`gatehouse: Methods.Extra[""] must be a method token (RFC 9110, section 9.1)`,
				`gatehouse: Methods.Extra["A B"] must be a method token (RFC 9110, section 9.1)`,
				`gatehouse: Methods.Extra["CONNECT"] must not be served: its target is no resource`,
				`gatehouse: Methods.Extra["GET"] has a field of its own`,
				`gatehouse: Methods.Extra["TRACE"] must not be served: it sends credentials back`,
				`gatehouse: Methods.Extra["delete"] has a field of its own`,
				`gatehouse: Methods.Extra["É"] must be a method token (RFC 9110, section 9.1)`,
			},
		},
		{"marks of a GET that is not there", gatehouse.Methods{Post: says(""), Static: true, UnsafeGet: true}, nil, []string{
			"gatehouse: Methods.Static needs Get", "gatehouse: Methods.UnsafeGet needs Get",
			"gatehouse: Methods.Static excludes UnsafeGet: what changes something cannot be exported",
		}},
		{"OPTIONS both served and refused", gatehouse.Methods{Options: says(""), RefuseOptions: true}, nil, []string{"gatehouse: Methods.RefuseOptions excludes Options"}},
		{"bad middlewares", gatehouse.Methods{Get: says("")}, []alice.Constructor{nil, nothing}, []string{"gatehouse: middleware 1 must return a handler", "gatehouse: middleware 0 must not be nil"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			h, err := gatehouse.CreateHandler(row.methods, row.mw...)
			if err == nil || h != nil {
				t.Fatalf("got %v, %v", h, err)
			}
			if diff := cmp.Diff(row.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// structHandler is a handler that is not a func or pointer, so it is never nil.
type structHandler struct{}

func (structHandler) ServeHTTP(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }

func TestCreateHandlerTakesAnyKindOfHandler(t *testing.T) {
	if _, err := gatehouse.CreateHandler(gatehouse.Methods{Get: structHandler{}}); err != nil {
		t.Error(err)
	}
}

func TestMiddlewaresRunAroundEveryAnswerInOrder(t *testing.T) {
	mark := func(name string) alice.Constructor {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Add("X-Order", name)
				next.ServeHTTP(w, r)
			})
		}
	}
	h, err := gatehouse.CreateHandler(gatehouse.Methods{Get: says("get")}, mark("outer"), mark("inner"))
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "POST", "OPTIONS"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if diff := cmp.Diff([]string{"outer", "inner"}, w.Header().Values("X-Order")); diff != "" {
			t.Errorf("%s: %s", method, diff)
		}
	}
}

func TestAnswersShareNothing(t *testing.T) {
	h, err := gatehouse.CreateHandler(gatehouse.Methods{Get: says("get")})
	if err != nil {
		t.Fatal(err)
	}
	h.Methods()[0] = "EVIL"
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
		if got := w.Header().Get("Allow"); got != "GET, HEAD, OPTIONS" {
			t.Errorf("Allow: %q", got)
		}
		w.Header()["Allow"][0] = "EVIL"
	}
}

func TestServingAllocatesNothing(t *testing.T) {
	h, err := gatehouse.CreateHandler(gatehouse.Methods{Get: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	if err != nil {
		t.Fatal(err)
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n != 0 {
		t.Errorf("allocations: %v", n)
	}
}

func ExampleCreateHandler() {
	list := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "all users") })
	create := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })

	users, err := gatehouse.CreateHandler(gatehouse.Methods{Get: list, Post: create})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/users", users)

	for _, method := range []string{"GET", "POST", "OPTIONS", "DELETE"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(method, "/users", nil))
		fmt.Printf("%s %d %q\n", method, w.Code, w.Header().Get("Allow"))
	}
	// Output:
	// GET 200 ""
	// POST 201 ""
	// OPTIONS 204 "GET, HEAD, OPTIONS, POST"
	// DELETE 405 "GET, HEAD, OPTIONS, POST"
}

// The one handler of a third-party factory serves two methods.
func ExampleCreateHandler_factory() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Method) })
	both, err := gatehouse.CreateHandler(gatehouse.Methods{Get: handler, Post: handler})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(both.Methods())
	// Output: [GET HEAD OPTIONS POST]
}
