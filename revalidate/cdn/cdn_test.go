package cdn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/cdn"
)

// recorder is a CDN that writes down what it is told.
type recorder struct {
	*httptest.Server
	mu     sync.Mutex
	told   []string
	status int
	answer string
}

func newRecorder(t *testing.T, fields ...string) *recorder {
	t.Helper()
	rec := &recorder{status: 200, answer: `{"success":true}`}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		line := r.Method + " " + r.URL.RequestURI()
		for _, name := range fields {
			v := r.Header.Get(name)
			if name == "Host" && r.Host != r.Context().Value(http.LocalAddrContextKey).(net.Addr).String() {
				v = r.Host
			}
			if v != "" {
				line += " " + name + ": " + v
			}
		}
		rec.mu.Lock()
		defer rec.mu.Unlock()
		rec.told = append(rec.told, strings.TrimSpace(line+" "+string(body)))
		w.WriteHeader(rec.status)
		_, _ = io.WriteString(w, rec.answer)
	}))
	t.Cleanup(rec.Close)
	return rec
}

func (rec *recorder) take() []string {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	told := rec.told
	rec.told = nil
	return told
}

func many(n int) []string {
	tags := make([]string, n)
	for i := range tags {
		tags[i] = fmt.Sprint("t", i)
	}
	return tags
}

func must[T any](tb testing.TB) func(T, error) T {
	tb.Helper()
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func TestFastly(t *testing.T) {
	rec := newRecorder(t, "Fastly-Key", "Fastly-Soft-Purge", "Surrogate-Key")
	f := must[*cdn.Fastly](t)(cdn.NewFastly(cdn.FastlyConfig{Service: "SU1", Token: "tok", API: rec.URL + "/"}))
	for _, row := range []struct {
		name string
		inv  revalidate.Invalidation
		want []string
		err  error
	}{
		{"softly", revalidate.Invalidation{Tags: []string{"a", "b"}}, []string{"POST /service/SU1/purge Fastly-Key: tok Fastly-Soft-Purge: 1 Surrogate-Key: a b"}, nil},
		{"at once", revalidate.Invalidation{Tags: []string{"a"}, Mode: revalidate.ModeExpire}, []string{"POST /service/SU1/purge Fastly-Key: tok Surrogate-Key: a"}, nil},
		{"paths and tags", revalidate.Invalidation{Tags: []string{"a"}, Paths: []string{"/x"}, Mode: revalidate.ModeExpire}, []string{"POST /service/SU1/purge Fastly-Key: tok Surrogate-Key: a"}, cdn.ErrUnsupported},
		{"prefixes", revalidate.Invalidation{TagPrefixes: []string{"a"}}, nil, cdn.ErrUnsupported},
		{"more than one request takes", revalidate.Invalidation{Tags: many(257), Mode: revalidate.ModeExpire}, []string{
			"POST /service/SU1/purge Fastly-Key: tok Surrogate-Key: " + strings.Join(many(256), " "),
			"POST /service/SU1/purge Fastly-Key: tok Surrogate-Key: t256",
		}, nil},
		{"everything, which is never soft", revalidate.Invalidation{All: true, Tags: []string{"a"}}, []string{"POST /service/SU1/purge_all Fastly-Key: tok"}, nil},
		{"URLs, which are never soft", revalidate.Invalidation{URLs: []string{"http://a.example/x%2Fy?b=1", "https://b.example"}}, []string{
			"POST /purge/a.example/x%2Fy?b=1 Fastly-Key: tok", "POST /purge/b.example/ Fastly-Key: tok",
		}, nil},
		{"a cache group and a URL", revalidate.Invalidation{URLs: []string{"http://a.example/x"}, Groups: []revalidate.Group{{Origin: "http://a.example", Name: "g"}}}, []string{
			"POST /purge/a.example/x Fastly-Key: tok",
		}, cdn.ErrUnsupported},
	} {
		err := f.Send(context.Background(), row.inv)
		if got := rec.take(); !slices.Equal(got, row.want) || !errors.Is(err, row.err) {
			t.Errorf("%s: %q, %v", row.name, got, err)
		}
	}
	named := must[*cdn.Fastly](t)(cdn.NewFastly(cdn.FastlyConfig{Service: "SU1", Token: "tok", API: rec.URL, Hosts: []string{"www.example.com", "example.com"}}))
	err := named.Send(context.Background(), revalidate.Invalidation{URLs: []string{"http://origin.internal:8080/x"}})
	if got := rec.take(); err != nil || !slices.Equal(got, []string{"POST /purge/www.example.com/x Fastly-Key: tok", "POST /purge/example.com/x Fastly-Key: tok"}) {
		t.Errorf("under the names of the site: %q, %v", got, err)
	}
	rec.status = 401
	if err := f.Send(context.Background(), revalidate.Invalidation{Tags: []string{"a"}}); !errors.Is(err, cdn.ErrAnswer) || strings.Contains(err.Error(), "tok") {
		t.Errorf("refused: %v", err)
	}
}

func TestCloudflare(t *testing.T) {
	rec := newRecorder(t, "Authorization", "Content-Type")
	s := must[*cdn.Cloudflare](t)(cdn.NewCloudflare(cdn.CloudflareConfig{Zone: "z1", Token: "tok", API: rec.URL, Hosts: []string{"a.example", "b.example"}}))
	const head = "POST /zones/z1/purge_cache Authorization: Bearer tok Content-Type: application/json "
	for _, row := range []struct {
		name string
		inv  revalidate.Invalidation
		want []string
		err  error
	}{
		{"tags", revalidate.Invalidation{Tags: []string{"a", "b"}}, []string{head + `{"tags":["a","b"]}`}, nil},
		{"paths", revalidate.Invalidation{Paths: []string{"/ä/[slug]", "/x"}}, []string{head + `{"prefixes":["a.example/%C3%A4/","b.example/%C3%A4/","a.example/x","b.example/x"]}`}, nil},
		{"a tag with a comma", revalidate.Invalidation{Tags: []string{"a,b", "c"}}, []string{head + `{"tags":["c"]}`}, cdn.ErrUnsupported},
		{"prefixes of tags", revalidate.Invalidation{TagPrefixes: []string{"a"}}, nil, cdn.ErrUnsupported},
		{"more than one request takes", revalidate.Invalidation{Tags: many(31)}, []string{
			head + `{"tags":["` + strings.Join(many(30), `","`) + `"]}`, head + `{"tags":["t30"]}`,
		}, nil},
		{"everything", revalidate.Invalidation{All: true, TagPrefixes: []string{"a"}}, []string{head + `{"purge_everything":true}`}, nil},
		{"a URL", revalidate.Invalidation{URLs: []string{"http://origin.internal:8080/x?b=1"}}, []string{
			head + `{"files":["https://a.example/x?b=1","http://a.example/x?b=1","https://b.example/x?b=1","http://b.example/x?b=1"]}`,
		}, nil},
		{"a cache group", revalidate.Invalidation{Groups: []revalidate.Group{{Origin: "http://a.example", Name: "g"}}}, nil, cdn.ErrUnsupported},
	} {
		err := s.Send(context.Background(), row.inv)
		if got := rec.take(); !slices.Equal(got, row.want) || !errors.Is(err, row.err) {
			t.Errorf("%s: %q, %v", row.name, got, err)
		}
	}
	for _, answer := range []string{`{"success":false}`, "x"} {
		rec.answer = answer
		if err := s.Send(context.Background(), revalidate.Invalidation{Tags: []string{"a"}}); !errors.Is(err, cdn.ErrAnswer) {
			t.Errorf("%s: %v", answer, err)
		}
	}
	rec.status = 403
	if err := s.Send(context.Background(), revalidate.Invalidation{Tags: []string{"a"}}); !errors.Is(err, cdn.ErrAnswer) {
		t.Error(err)
	}
	bare := must[*cdn.Cloudflare](t)(cdn.NewCloudflare(cdn.CloudflareConfig{Zone: "z1", Token: "tok", API: rec.URL}))
	if err := bare.Send(context.Background(), revalidate.Invalidation{Paths: []string{"/x"}}); !errors.Is(err, cdn.ErrUnsupported) {
		t.Errorf("a path without hosts: %v", err)
	}
	rec.status, rec.answer = 200, `{"success":true}`
	rec.take()
	err := bare.Send(context.Background(), revalidate.Invalidation{URLs: []string{"https://c.example/"}})
	if got := rec.take(); err != nil || !slices.Equal(got, []string{head + `{"files":["https://c.example/","http://c.example/"]}`}) {
		t.Errorf("a URL without hosts: %q, %v", got, err)
	}
}

func TestVarnishRequests(t *testing.T) {
	fields := []string{"Xkey-Purge", "Xkey-Softpurge", "Purge", "Host", "X-Secret"}
	one, two := newRecorder(t, fields...), newRecorder(t, fields...)
	v := must[*cdn.Varnish](t)(cdn.NewVarnish(cdn.VarnishConfig{Nodes: []string{one.URL, two.URL + "/"}, Header: http.Header{"X-Secret": {"s"}}, FullVCL: true}))
	for _, row := range []struct {
		name string
		inv  revalidate.Invalidation
		want []string
		err  error
	}{
		{"softly", revalidate.Invalidation{Tags: []string{"a", "b"}}, []string{"PURGE / Xkey-Softpurge: a b X-Secret: s"}, nil},
		{"at once", revalidate.Invalidation{Tags: []string{"a"}, Mode: revalidate.ModeExpire}, []string{"PURGE / Xkey-Purge: a X-Secret: s"}, nil},
		{"paths", revalidate.Invalidation{Paths: []string{"/x"}}, nil, cdn.ErrUnsupported},
		{"everything", revalidate.Invalidation{All: true}, []string{"PURGE / Purge: all X-Secret: s"}, nil},
		{"a tag and a URL", revalidate.Invalidation{Tags: []string{"a"}, URLs: []string{"https://www.example.com/x/?b=/"}}, []string{
			"PURGE / Xkey-Softpurge: a X-Secret: s", "PURGE /x/?b=/ Purge: url Host: www.example.com X-Secret: s",
		}, nil},
	} {
		err := v.Send(context.Background(), row.inv)
		if a, b := one.take(), two.take(); !slices.Equal(a, row.want) || !slices.Equal(b, row.want) || !errors.Is(err, row.err) {
			t.Errorf("%s: %q, %q, %v", row.name, a, b, err)
		}
	}
	tagsAlone := must[*cdn.Varnish](t)(cdn.NewVarnish(cdn.VarnishConfig{Nodes: []string{one.URL}}))
	for _, inv := range []revalidate.Invalidation{{All: true}, {URLs: []string{"https://www.example.com/"}}} {
		if err := tagsAlone.Send(context.Background(), inv); !errors.Is(err, cdn.ErrUnsupported) || len(one.take()) != 0 {
			t.Errorf("a VCL of tags alone, %+v: %v", inv, err)
		}
	}
	one.Close() // one that is down does not keep the others from being told
	err := v.Send(context.Background(), revalidate.Invalidation{Tags: []string{"a"}})
	if got := two.take(); err == nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
}

func ExampleAll() {
	edge := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path, r.Header.Get("Surrogate-Key"))
	}))
	defer edge.Close()
	fastly, err := cdn.NewFastly(cdn.FastlyConfig{Service: "SU1Z0isxPaozGVKXdv0eY", Token: "token", API: edge.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	cache, err := revalidate.New(revalidate.Config{OnInvalidate: cdn.All(fastly)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cache.ExpireTag(context.Background(), "posts", "post:7"))
	// Output:
	// POST /service/SU1Z0isxPaozGVKXdv0eY/purge posts post:7
	// <nil>
}

func ExampleNewFastly() {
	_, err := cdn.NewFastly(cdn.FastlyConfig{})
	fmt.Println(err)
	// Output:
	// cdn: Service is required
	// cdn: Token is required
}

func ExampleNewCloudflare() {
	_, err := cdn.NewCloudflare(cdn.CloudflareConfig{Zone: "023e105f4ecef8ad9ca31a8372d0c353", Token: "token", Hosts: []string{"https://www.example.com"}})
	fmt.Println(err)
	// Output: cdn: Hosts[0] = "https://www.example.com" must be the name of a host
}

func ExampleNewVarnish() {
	_, err := cdn.NewVarnish(cdn.VarnishConfig{Nodes: []string{"10.0.0.1:6081"}})
	fmt.Println(err)
	// Output: cdn: Nodes[0] = "10.0.0.1:6081" must be an absolute http or https URL
}

func TestConfigsThatAreRefused(t *testing.T) {
	for name, build := range map[string]func() error{
		"Fastly, all at once": func() error {
			_, err := cdn.NewFastly(cdn.FastlyConfig{API: "ftp://x", Timeout: -1})
			return err
		},
		"Cloudflare, all at once": func() error {
			_, err := cdn.NewCloudflare(cdn.CloudflareConfig{API: "https://user@x", Timeout: -1})
			return err
		},
	} {
		var joined interface{ Unwrap() []error }
		if err := build(); !errors.As(err, &joined) || len(joined.Unwrap()) != 4 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := cdn.NewVarnish(cdn.VarnishConfig{Timeout: -1}); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Error(err)
	}
}

func TestTokensDoNotFollowRedirects(t *testing.T) {
	other := newRecorder(t, "Fastly-Key")
	api := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer api.Close()
	f := must[*cdn.Fastly](t)(cdn.NewFastly(cdn.FastlyConfig{Service: "SU1", Token: "tok", API: api.URL}))
	if err := f.Send(context.Background(), revalidate.Invalidation{Tags: []string{"a"}}); !errors.Is(err, cdn.ErrAnswer) {
		t.Error(err)
	}
	if told := other.take(); len(told) != 0 {
		t.Errorf("the token went to %q", told)
	}
}

func TestSlowAndBrokenAnswers(t *testing.T) {
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer slow.Close()
	defer close(release)
	v := must[*cdn.Varnish](t)(cdn.NewVarnish(cdn.VarnishConfig{Nodes: []string{slow.URL}, Timeout: 50 * time.Millisecond}))
	if err := v.Send(context.Background(), revalidate.Invalidation{Tags: []string{"a"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow: %v", err)
	}
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
	}))
	defer cut.Close()
	v = must[*cdn.Varnish](t)(cdn.NewVarnish(cdn.VarnishConfig{Nodes: []string{cut.URL}, Client: cut.Client()}))
	if err := v.Send(context.Background(), revalidate.Invalidation{Tags: []string{"a"}}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %v", err)
	}
}
