package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/sample"
	"github.com/gatehouse-go/gatehouse/security"
)

// A row is a request and what Next.js 16.4.6 answered to it, running the application on 127.0.0.1:3100 with an upstream
// on 127.0.0.1:4999.
type row struct {
	Group, Method, Path string
	Headers             map[string]fieldValues
	Body                rowBody
	Expect              struct {
		Status  int
		Headers map[string]fieldValues
		Body    *string
	}
}

// fieldValues is a string or a list of them.
type fieldValues []string

func (f *fieldValues) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*f = fieldValues{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(f))
}

// rowBody is a string, or a string to repeat. Nil means none.
type rowBody []byte

func (r *rowBody) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var one string
	if json.Unmarshal(b, &one) == nil {
		*r = append([]byte{}, one...)
		return nil
	}
	var many struct {
		Repeat string
		Count  int
	}
	err := json.Unmarshal(b, &many)
	*r = []byte(strings.Repeat(many.Repeat, many.Count))
	return err
}

func (r *row) String() string {
	return fmt.Sprintf("%s %s %.100s %.200s", r.Group, r.Method, r.Path, fmt.Sprint(r.Headers))
}

// field returns the first value of a request field.
func (r *row) field(name string) string {
	for n, values := range r.Headers {
		if strings.EqualFold(n, name) {
			return values[0]
		}
	}
	return ""
}

// answered is what came back.
type answered struct {
	status int
	header http.Header
	body   []byte
}

func (a answered) String() string {
	return fmt.Sprintf("%d Location=%q Allow=%q Set-Cookie=%q %.400s", a.status, a.header["Location"], a.header["Allow"], a.header["Set-Cookie"], a.body)
}

func (r *row) expected() answered {
	a := answered{status: r.Expect.Status, header: http.Header{}}
	for name, values := range r.Expect.Headers {
		a.header[http.CanonicalHeaderKey(name)] = values
	}
	if r.Expect.Body != nil {
		a.body = []byte(*r.Expect.Body)
	}
	return a
}

// rig is the application under test, on a port of its own, with an upstream.
type rig struct {
	addr           string
	port, upstream string // as they appear in answers
}

func newRig(t *testing.T) *rig {
	t.Helper()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	up := httptest.NewServer(http.HandlerFunc(upstream))
	t.Cleanup(up.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(appConfig{Secret: "s3cret", Upstream: up.URL, Listen: netip.MustParseAddrPort("127.0.0.1:3100")})
	if err != nil {
		t.Fatal(err)
	}
	server := security.Server(a.handler)
	server.MaxHeaderBytes = maxHeader
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	go func() { _ = server.Serve(listener) }() // ends with Close
	t.Cleanup(func() {
		server.Close()
		if err := a.close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_, upstreamPort, _ := net.SplitHostPort(up.Listener.Addr().String())
	return &rig{addr: listener.Addr().String(), port: port, upstream: upstreamPort}
}

// upstream tells of the request it got, in the words of the upstream that Next.js had.
func upstream(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fields := map[string]string{"host": r.Host}
	for name, values := range r.Header {
		separator := ", "
		if name == "Cookie" {
			separator = "; "
		}
		fields[strings.ToLower(name)] = strings.Join(values, separator)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Up", "1")
	if strings.HasPrefix(r.URL.Path, "/redir") {
		w.Header().Set("Location", "http://127.0.0.1:4999/there")
		w.WriteHeader(http.StatusFound)
	}
	if err := json.NewEncoder(w).Encode(map[string]any{"m": r.Method, "u": r.RequestURI, "h": fields, "b": string(body)}); err != nil {
		panic(err) // the client is gone: hang up as well
	}
}

// send writes a row's request as it stands, however malformed, and reads the answer.
func (g *rig) send(r *row) (answered, error) {
	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		return answered{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.Method, r.Path)
	for name, value := range map[string]string{"host": "127.0.0.1:3100", "connection": "close"} {
		if r.field(name) == "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	for name, values := range r.Headers {
		for _, v := range values {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	if r.Body != nil && r.field("Content-Length") == "" && r.field("Transfer-Encoding") == "" {
		fmt.Fprintf(&b, "content-length: %d\r\n", len(r.Body))
	}
	b.WriteString("\r\n")
	b.Write(r.Body)
	go func() { _, _ = b.WriteTo(conn) }() // a server that refuses early does not read it all
	reader := bufio.NewReader(conn)
	for {
		res, err := http.ReadResponse(reader, &http.Request{Method: r.Method})
		if err != nil {
			return answered{}, err
		}
		if res.StatusCode == http.StatusContinue {
			continue
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		body = bytes.ReplaceAll(body, []byte(`"x-forwarded-port":"`+g.port+`"`), []byte(`"x-forwarded-port":"3100"`))
		body = bytes.ReplaceAll(body, []byte("127.0.0.1:"+g.upstream), []byte("127.0.0.1:4999"))
		return answered{res.StatusCode, res.Header, body}, err
	}
}

func readRows(t *testing.T, path string) []*row {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []*row
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r := new(row)
		if err := json.Unmarshal(lines.Bytes(), r); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		rows = append(rows, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// Each answer agrees with that of Next.js in status, JSON body, Allow, cookies and Location, or one difference of the
// table speaks of the request and our answer is the one that the table says.
func TestAnswersAreThoseOfNextJS(t *testing.T) {
	documented := documentedDifferences(t)
	used := map[string]bool{}
	replay(t, filepath.Join("testdata", "behaviour.jsonl"), used)
	for _, d := range differences {
		if !used[d.id] {
			t.Errorf("difference %q is seen in no row", d.id)
		}
		if !documented[d.id] {
			t.Errorf("difference %q is not in DIFFERENCES.md", d.id)
		}
		delete(documented, d.id)
	}
	for id := range documented {
		t.Errorf("DIFFERENCES.md has %q, which nothing checks", id)
	}
	t.Run("sample", func(t *testing.T) { replay(t, sample.Path(t, "nextjs-behaviour.jsonl"), used) })
}

// replay sends each request of a file to an application of its own, and notes which differences explained an answer.
func replay(t *testing.T, file string, used map[string]bool) {
	t.Helper()
	g := newRig(t)
	for _, r := range readRows(t, file) {
		got, err := g.send(r)
		if err != nil {
			t.Errorf("%s: %v", r, err)
			continue
		}
		problems := compare(r, got)
		if len(problems) == 0 {
			continue
		}
		id, objections := explain(g, r, got)
		if id == "" {
			t.Errorf("%s\n  got  %v\n  want %v\n  %s\n  %s", r, got, r.expected(), strings.Join(problems, "; "), strings.Join(objections, "; "))
		}
		used[id] = true
	}
}

// explain returns the difference that speaks of the request and agrees with our answer, or what each that speaks of it
// objects to.
func explain(g *rig, r *row, got answered) (id string, objections []string) {
	for _, d := range differences {
		if !d.applies(r) {
			continue
		}
		objection := d.check(g, r, got)
		if objection == "" {
			return d.id, nil
		}
		objections = append(objections, d.id+": "+objection)
	}
	return "", objections
}

// documentedDifferences returns the first column of the table in DIFFERENCES.md.
func documentedDifferences(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("DIFFERENCES.md")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || strings.HasPrefix(cells[1], "-") || strings.TrimSpace(cells[1]) == "difference" {
			continue
		}
		for i, cell := range cells[1:5] {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("DIFFERENCES.md: column %d of %q is empty", i+1, line)
			}
		}
		ids[strings.TrimSpace(cells[1])] = true
	}
	return ids
}

// compare lists in what two answers differ.
func compare(r *row, got answered) []string {
	want := r.expected()
	var problems []string
	differ := func(what string, got, want any) {
		problems = append(problems, fmt.Sprintf("%s: got %v, want %v", what, got, want))
	}
	if got.status != want.status {
		differ("status", got.status, want.status)
	}
	if g, w := list(got.header["Allow"]), list(want.header["Allow"]); !slices.Equal(g, w) {
		differ("Allow", g, w)
	}
	if g, w := location(got), location(want); g != w {
		differ("Location", g, w)
	}
	if g, w := cookieList(got), cookieList(want); !slices.Equal(g, w) {
		differ("Set-Cookie", g, w)
	}
	if want.body != nil && strings.Contains(want.header.Get("Content-Type"), "json") && r.Method != http.MethodHead {
		if g, w := jsonOf(got.body), jsonOf(want.body); g != w {
			differ("body", g, w)
		}
	}
	return problems
}
