package security_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/security"
)

func newBody(tb testing.TB, c security.BodyConfig) *security.Body {
	tb.Helper()
	if c.MediaTypes == nil {
		c.MediaTypes = []string{"application/json", "text/plain", "multipart/form-data", "image/*", "application/*+json"}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	b, err := security.NewBody(c)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// echo answers with the body it could read, or refuses as an application would.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		security.WriteError(w, r, err)
		return
	}
	_, _ = w.Write(body)
})

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func TestBodyJudgesTheHeaderBeforeTheHandler(t *testing.T) {
	for _, row := range []struct {
		name   string
		method string
		header http.Header
		body   string
		want   int
	}{
		{"JSON", "POST", http.Header{"Content-Type": {"application/json"}}, `{}`, 200},
		{"JSON in UTF-8", "POST", http.Header{"Content-Type": {"application/json; charset=utf-8"}}, `{}`, 200},
		{"JSON in capitals and with spaces", "POST", http.Header{"Content-Type": {"Application/JSON ; Charset=\"UTF-8\""}}, `{}`, 200},
		{"a type of a wildcard", "POST", http.Header{"Content-Type": {"image/png"}}, `x`, 200},
		{"a type of a suffix", "POST", http.Header{"Content-Type": {"application/merge-patch+json"}}, `{}`, 200},
		{"ASCII text", "POST", http.Header{"Content-Type": {"text/plain; charset=us-ascii"}}, `x`, 200},
		{"no body needs no type", "POST", nil, ``, 200},
		{"no body in a GET", "GET", nil, ``, 200},
		{"the identity coding", "POST", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"Identity"}}, `{}`, 200},
		{"no type", "POST", nil, `{}`, 415},
		{"another type", "POST", http.Header{"Content-Type": {"application/xml"}}, `<a/>`, 415},
		{"a type that only begins as one", "POST", http.Header{"Content-Type": {"application/jsonp"}}, `{}`, 415},
		{"a suffix alone", "POST", http.Header{"Content-Type": {"application/+json"}}, `{}`, 415},
		{"a suffix that is not the last", "POST", http.Header{"Content-Type": {"application/a+json+xml"}}, `{}`, 415},
		{"two types in one line", "POST", http.Header{"Content-Type": {"application/json, text/html"}}, `{}`, 415},
		{"two type lines", "POST", http.Header{"Content-Type": {"application/json", "text/plain"}}, `{}`, 415},
		{"a type hidden in a parameter", "POST", http.Header{"Content-Type": {"text/html; x=application/json"}}, `{}`, 415},
		{"a parameter twice", "POST", http.Header{"Content-Type": {"application/json; charset=utf-8; charset=utf-7"}}, `{}`, 415},
		{"UTF-7", "POST", http.Header{"Content-Type": {"application/json; charset=utf-7"}}, `{}`, 415},
		{"UTF-16", "POST", http.Header{"Content-Type": {"text/plain; charset=utf-16"}}, `x`, 415},
		{"a type without a subtype", "POST", http.Header{"Content-Type": {"text"}}, `x`, 415},
		{"multipart without a boundary", "POST", http.Header{"Content-Type": {"multipart/form-data"}}, `x`, 415},
		{"multipart with a boundary of 71", "POST", http.Header{"Content-Type": {"multipart/form-data; boundary=" + strings.Repeat("b", 71)}}, `x`, 415},
		{"multipart with a control in its boundary", "POST", http.Header{"Content-Type": {"multipart/form-data; boundary=\"a\tb\""}}, `x`, 415},
		{"a coding that was not asked for", "POST", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, `{}`, 415},
		{"two codings", "POST", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip, gzip"}}, `{}`, 415},
		{"two coding lines", "POST", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"identity", "identity"}}, `{}`, 415},
		{"a body in a GET", "GET", http.Header{"Content-Type": {"application/json"}}, `{}`, 400},
		{"a body in a HEAD", "HEAD", http.Header{"Content-Type": {"application/json"}}, `{}`, 400},
		{"a body in a DELETE is judged as any", "DELETE", http.Header{"Content-Type": {"application/json"}}, `{}`, 200},
		{"a declared length above the bound", "POST", http.Header{"Content-Type": {"application/json"}}, strings.Repeat("1", 101), 413},
		{"the bound itself", "POST", http.Header{"Content-Type": {"application/json"}}, strings.Repeat("1", 100), 200},
	} {
		called := false
		h := newBody(t, security.BodyConfig{MaxBody: 100}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			called = true
			echo(w, r)
		}))
		r := httptest.NewRequest(row.method, "/", strings.NewReader(row.body))
		if row.body == "" {
			r = httptest.NewRequest(row.method, "/", http.NoBody)
		}
		maps.Copy(r.Header, row.header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != row.want || called != (row.want == 200) {
			t.Errorf("%s: got %d (handler called: %v), want %d", row.name, w.Code, called, row.want)
		}
		if row.want == 200 && w.Body.String() != row.body {
			t.Errorf("%s: the handler read %q", row.name, w.Body)
		}
	}
}

func TestBodySaysWhatIsTakenInstead(t *testing.T) {
	b := newBody(t, security.BodyConfig{MediaTypes: []string{"application/json", "image/*"}})
	w := httptest.NewRecorder()
	b.Wrap(echo).ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader("x")))
	if w.Header().Get("Accept-Post") != "application/json, image/*" || w.Header().Get("Accept-Patch") != "application/json, image/*" {
		t.Errorf("a wrong type: %v", w.Header())
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader("x"))
	r.Header.Set("Content-Encoding", "br")
	for codings, want := range map[string]string{"": "identity", "gzip deflate": "gzip, deflate"} {
		w = httptest.NewRecorder()
		newBody(t, security.BodyConfig{Decompress: strings.Fields(codings)}).Wrap(echo).ServeHTTP(w, r)
		if w.Code != 415 || w.Header().Get("Accept-Encoding") != want {
			t.Errorf("a wrong coding: %d %v", w.Code, w.Header())
		}
	}
	if err := b.Check(r); !errors.Is(err, security.ErrContentEncoding) {
		t.Errorf("Check: %v", err)
	}
}

func TestBodyBoundsWhatTheHandlerReads(t *testing.T) {
	var big bytes.Buffer
	z := zlib.NewWriter(&big)
	_, _ = z.Write([]byte("deflated"))
	_ = z.Close()
	bomb := gzipped(make([]byte, 10<<20))
	for _, row := range []struct {
		name, coding string
		config       security.BodyConfig
		body         []byte
		want         int
		read         string
	}{
		{"an undeclared length above the bound", "", security.BodyConfig{MaxBody: 5}, []byte("123456"), 413, ""},
		{"an undeclared length at the bound", "", security.BodyConfig{MaxBody: 6}, []byte("123456"), 200, "123456"},
		{"gzip that was asked for", "gzip", security.BodyConfig{Decompress: []string{"gzip"}}, gzipped([]byte("hello")), 200, "hello"},
		{"gzip by its old name", "X-GZIP", security.BodyConfig{Decompress: []string{"gzip"}}, gzipped([]byte("hello")), 200, "hello"},
		{"deflate that was asked for", "deflate", security.BodyConfig{Decompress: []string{"deflate"}}, big.Bytes(), 200, "deflated"},
		{"gzip that expands above the bound", "gzip", security.BodyConfig{Decompress: []string{"gzip"}, MaxBody: 3}, gzipped([]byte("hello")), 413, ""},
		{"a gzip bomb", "gzip", security.BodyConfig{Decompress: []string{"gzip"}, MaxBody: 1 << 30}, bomb, 413, ""},
		{"a ratio that was allowed", "gzip", security.BodyConfig{Decompress: []string{"gzip"}, MaxBody: 1 << 30, MaxRatio: 5000}, gzipped(make([]byte, 1<<20)), 200, string(make([]byte, 1<<20))},
		{"no gzip at all", "gzip", security.BodyConfig{Decompress: []string{"gzip"}}, []byte("plain"), 400, ""},
		{"no zlib at all", "deflate", security.BodyConfig{Decompress: []string{"deflate"}}, []byte("plain"), 400, ""},
		{"gzip cut short", "gzip", security.BodyConfig{Decompress: []string{"gzip"}}, gzipped([]byte("hello"))[:20], 400, ""},
		{"gzip with a wrong checksum", "gzip", security.BodyConfig{Decompress: []string{"gzip"}}, append(gzipped([]byte("hello"))[:24], 0, 0, 0, 0, 0), 400, ""},
	} {
		guard := newBody(t, row.config)
		for range 2 { // the second time the decompressor comes from the pool
			r := httptest.NewRequest("POST", "/", io.MultiReader(bytes.NewReader(row.body)))
			r.Header.Set("Content-Type", "text/plain")
			if row.coding != "" {
				r.Header.Set("Content-Encoding", row.coding)
			}
			w := httptest.NewRecorder()
			guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Content-Encoding") != "" || row.coding != "" && r.ContentLength != -1 {
					t.Errorf("%s: the handler sees a coding", row.name)
				}
				echo(w, r)
			})).ServeHTTP(w, r)
			if w.Code != row.want || row.want == 200 && w.Body.String() != row.read {
				t.Errorf("%s: got %d %.40s", row.name, w.Code, w.Body)
			}
			if row.coding != "" && r.Header.Get("Content-Encoding") == "" {
				t.Errorf("%s: the request outside was changed", row.name)
			}
		}
	}
}

// failingBody is a connection that breaks.
type failingBody struct{ err error }

func (b failingBody) Read([]byte) (int, error) { return 0, b.err }

func TestBodyReadErrors(t *testing.T) {
	broken := errors.New("connection reset")
	for _, row := range []struct {
		name, coding string
		body         io.Reader
		want         error
	}{
		{"too much", "", strings.NewReader("123456"), security.ErrBodyTooLarge},
		{"a broken connection", "", failingBody{broken}, broken},
		{"a broken connection under gzip is not the coding's fault", "gzip", failingBody{broken}, broken},
	} {
		r := httptest.NewRequest("POST", "/", io.MultiReader(row.body))
		r.Header.Set("Content-Type", "text/plain")
		if row.coding != "" {
			r.Header.Set("Content-Encoding", row.coding)
		}
		newBody(t, security.BodyConfig{MaxBody: 5, Decompress: []string{"gzip"}}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			_, again := r.Body.Read(make([]byte, 1))
			if !errors.Is(err, row.want) || !errors.Is(again, row.want) {
				t.Errorf("%s: got %v, then %v", row.name, err, again)
			}
			var tooLarge *http.MaxBytesError
			if errors.Is(row.want, security.ErrBodyTooLarge) && (!errors.As(err, &tooLarge) || tooLarge.Limit != 5) {
				t.Errorf("%s: no *http.MaxBytesError in %v", row.name, err)
			}
			if n, err := r.Body.Read(nil); n != 0 || err == nil {
				t.Errorf("%s: the error is forgotten", row.name)
			}
			if errors.Is(row.want, security.ErrBodyTooLarge) && err.Error() != "request body is larger than allowed: limit 5 bytes" {
				t.Errorf("%s: %v", row.name, err)
			}
			if err := r.Body.Close(); err != nil {
				t.Errorf("%s: Close: %v", row.name, err)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
}

func TestBodyReadOfNothingReadsNothing(t *testing.T) {
	r := httptest.NewRequest("POST", "/", strings.NewReader("x"))
	r.Header.Set("Content-Type", "text/plain")
	newBody(t, security.BodyConfig{}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if n, err := r.Body.Read(nil); n != 0 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	r = httptest.NewRequest("POST", "/", strings.NewReader("this is no gzip"))
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("Content-Encoding", "gzip")
	newBody(t, security.BodyConfig{Decompress: []string{"gzip"}}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil || err.Error() != "request body is not in its declared content coding: gzip: invalid header" {
			t.Errorf("got %v", err)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
}

func TestBodyIsGoneAfterTheHandler(t *testing.T) {
	var kept io.Reader
	r := httptest.NewRequest("POST", "/", bytes.NewReader(gzipped([]byte("hello"))))
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("Content-Encoding", "gzip")
	newBody(t, security.BodyConfig{Decompress: []string{"gzip"}}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		kept = r.Body
		_, _ = r.Body.Read(make([]byte, 1))
	})).ServeHTTP(httptest.NewRecorder(), r)
	if _, err := kept.Read(make([]byte, 1)); err == nil {
		t.Error("a decompressor that was given back is still read")
	}
}

// A client that waits for 100 Continue is refused before it sends its body (RFC 9110, section 10.1.1).
func TestBodyRefusesBeforeTheBodyIsSent(t *testing.T) {
	srv := httptest.NewServer(newBody(t, security.BodyConfig{MaxBody: 100}).Wrap(echo))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 413 || res.Header.Get("Connection") != "close" && !res.Close {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
}

func form(parts ...func(*multipart.Writer)) (contentType string, body []byte) {
	var out bytes.Buffer
	m := multipart.NewWriter(&out)
	for _, p := range parts {
		p(m)
	}
	_ = m.Close()
	return m.FormDataContentType(), out.Bytes()
}

func field(name, value string) func(*multipart.Writer) {
	return func(m *multipart.Writer) { _ = m.WriteField(name, value) }
}

func file(name, content string) func(*multipart.Writer) {
	return func(m *multipart.Writer) {
		w, _ := m.CreateFormFile(name, name+".txt")
		_, _ = io.WriteString(w, content)
	}
}

func TestBodyBoundsMultipart(t *testing.T) {
	many := func(n int, part func(*multipart.Writer)) []func(*multipart.Writer) {
		out := make([]func(*multipart.Writer), n)
		for i := range out {
			out[i] = part
		}
		return out
	}
	limits := security.MultipartLimits{MaxParts: 5, MaxFiles: 2, MaxHeaders: 3, MaxHeaderBytes: 200, MaxFieldBytes: 10, MaxFileBytes: 1000}
	noFiles := limits
	noFiles.MaxFiles = -1
	for _, row := range []struct {
		name   string
		limits security.MultipartLimits
		parts  []func(*multipart.Writer)
		want   int
	}{
		{"what is allowed", limits, append(many(3, field("a", "0123456789")), many(2, file("f", strings.Repeat("x", 1000)))...), 200},
		{"content that looks like a delimiter", limits, many(1, file("f", "--\r\n--x\r\n\r\n--")), 200},
		{"a part too many", limits, many(6, field("a", "b")), 413},
		{"a file too many", limits, many(3, file("f", "x")), 413},
		{"a file where none is allowed", noFiles, many(1, file("f", "x")), 413},
		{"a field named filename is no file", noFiles, many(1, field("filename", "x")), 200},
		{"a field too large", limits, many(1, field("a", strings.Repeat("x", 11))), 413},
		{"a field of many lines too large", limits, many(1, field("a", strings.Repeat("x\n", 200))), 413},
		{"a file too large", limits, many(1, file("f", strings.Repeat("x", 1001))), 413},
		{"a header too large", limits, many(1, field(strings.Repeat("n", 200), "x")), 413},
		{"too many header lines", limits, many(1, func(m *multipart.Writer) {
			_, _ = m.CreatePart(map[string][]string{"A": {"1", "2", "3"}, "B": {"4"}})
		}), 413},
		{"an extended filename is a file's", noFiles, many(1, func(m *multipart.Writer) {
			_, _ = m.CreatePart(map[string][]string{"Content-Disposition": {`form-data; name="a"; FileName*=UTF-8''x`}})
		}), 413},
		{"the defaults", security.MultipartLimits{}, many(100, field("a", "b")), 200},
		{"one more than the defaults", security.MultipartLimits{}, many(101, field("a", "b")), 413},
	} {
		contentType, body := form(row.parts...)
		for _, chunk := range []int{1, 7, 1 << 20} {
			r := httptest.NewRequest("POST", "/", io.NopCloser(&slowly{bytes.NewReader(body), chunk}))
			r.Header.Set("Content-Type", contentType)
			w := httptest.NewRecorder()
			newBody(t, security.BodyConfig{Multipart: row.limits}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var coded interface{ StatusCode() int }
				switch err := r.ParseMultipartForm(1 << 20); {
				case errors.As(err, &coded):
					w.WriteHeader(coded.StatusCode())
				case err != nil: // textproto takes a header cut short for a malformed one, and forgets why it was
					w.WriteHeader(413)
				}
			})).ServeHTTP(w, r)
			if w.Code != row.want {
				t.Errorf("%s, %d bytes at a time: got %d, want %d", row.name, chunk, w.Code, row.want)
			}
		}
	}
}

// slowly gives at most n bytes a read.
type slowly struct {
	r io.Reader
	n int
}

func (s *slowly) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), s.n)]) }

func TestNewBodyReportsEveryMistake(t *testing.T) {
	_, err := security.NewBody(security.BodyConfig{
		MediaTypes: []string{"json", "*/*", "a b/c", "text/*+", "text/pl*in"}, MaxBody: -1, MaxRatio: -1, Decompress: []string{"br"},
		Multipart: security.MultipartLimits{MaxParts: -1, MaxFiles: -2, MaxFieldBytes: -1},
	})
	want := `security: BodyConfig.Multipart.MaxParts = -1 must not be negative
security: BodyConfig.Multipart.MaxFiles = -2 must not be negative
security: BodyConfig.Multipart.MaxFieldBytes = -1 must not be negative
security: BodyConfig.MediaTypes[0] = "json" must be a media type, type/* or type/*+suffix
security: BodyConfig.MediaTypes[1] = "*/*" must be a media type, type/* or type/*+suffix
security: BodyConfig.MediaTypes[2] = "a b/c" must be a media type, type/* or type/*+suffix
security: BodyConfig.MediaTypes[3] = "text/*+" must be a media type, type/* or type/*+suffix
security: BodyConfig.MediaTypes[4] = "text/pl*in" must be a media type, type/* or type/*+suffix
security: BodyConfig.MaxBody = -1 must not be negative
security: BodyConfig.MaxRatio = -1 must not be negative
security: BodyConfig.Decompress[0] = "br" must be "gzip" or "deflate"`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
	if _, err := security.NewBody(security.BodyConfig{}); err == nil || err.Error() != "security: BodyConfig.MediaTypes must name at least one media type" {
		t.Errorf("the zero value: %v", err)
	}
}

func TestBodyCostsOneAllocation(t *testing.T) {
	h := newBody(t, security.BodyConfig{}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func ExampleNewBody() {
	guard, err := security.NewBody(security.BodyConfig{
		MediaTypes: []string{"application/json"},
		MaxBody:    64 << 10,
		Logger:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	for _, contentType := range []string{"application/json", "text/html"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{"a":1}`))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 {"a":1}
	// 415 {"status":415,"title":"Unsupported Media Type"}
}

// Whatever the body, the guard sees at least the parts that the standard library's reader sees.
func FuzzBodyMultipart(f *testing.F) {
	_, body := form(field("a", "b"), file("f", "content"))
	f.Add("b", []byte("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--b--\r\n"))
	f.Add("b", []byte("--b\nA: b\n\nx\n--b  \n\n--b--"))
	f.Add("x", body)
	f.Fuzz(func(t *testing.T, boundary string, body []byte) {
		seen, files := 0, 0
		for reader := multipart.NewReader(bytes.NewReader(body), boundary); ; seen++ {
			part, err := reader.NextRawPart()
			if err != nil {
				break
			}
			if part.FileName() != "" {
				files++
			}
		}
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", `multipart/form-data; boundary="`+boundary+`"`)
		if seen < 2 {
			return
		}
		w := httptest.NewRecorder()
		newBody(t, security.BodyConfig{Multipart: security.MultipartLimits{MaxParts: seen - 1, MaxFiles: max(files-1, 1), MaxHeaderBytes: 1 << 20, MaxHeaders: 1 << 20}}).Wrap(echo).ServeHTTP(w, r)
		if w.Code == 200 {
			t.Fatalf("%d parts passed a limit of %d: %q", seen, seen-1, body)
		}
	})
}

// An adapter of a platform that is not net/http's server may say a length of 0 where it does not know it: the body is judged all the same.
func TestBodyOfUnsaidLengthIsJudged(t *testing.T) {
	h := newBody(t, security.BodyConfig{MaxBody: 10}).Wrap(echo)
	for _, row := range []struct {
		media, body string
		status      int
		says        string
	}{
		{"application/json", `{"a":1}`, 200, `{"a":1}`},
		{"application/xml", `<a/>`, 415, ""},
		{"application/json", `{"a":"0123456789"}`, 413, ""},
		{"", ``, 200, ""},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(row.body)), 0
		if row.media != "" {
			r.Header.Set("Content-Type", row.media)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != row.status || !strings.Contains(w.Body.String(), row.says) {
			t.Errorf("%q of %s: %d %s", row.body, row.media, w.Code, w.Body)
		}
	}
}
