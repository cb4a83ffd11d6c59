package cdn_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/cdn"
)

// TestVarnish purges in a real Varnish, with the VCL of the documentation.
func TestVarnish(t *testing.T) {
	missing := t.Skip
	if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") == "1" {
		missing = t.Fatal
	}
	if _, err := exec.LookPath("varnishd"); err != nil {
		missing("varnishd is not installed (Debian: varnish, varnish-modules)")
	}
	var calls atomic.Int64
	origin := revalidateOrigin(t, &calls)
	host, port, err := net.SplitHostPort(strings.TrimPrefix(origin.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	vcl := filepath.Join(dir, "test.vcl")
	if err := os.WriteFile(vcl, []byte(fmt.Sprintf(`vcl 4.1;
import xkey;
backend default { .host = "%s"; .port = "%s"; }
acl purgers { "127.0.0.0"/8; }
sub vcl_recv {
	if (req.method == "PURGE") {
		if (client.ip !~ purgers) { return (synth(403)); }
		if (req.http.purge == "all") { ban("obj.status != 0"); return (synth(200)); }
		if (req.http.purge == "url") { return (purge); }
		if (req.http.xkey-softpurge) {
			set req.http.n = xkey.softpurge(req.http.xkey-softpurge);
		} else {
			set req.http.n = xkey.purge(req.http.xkey-purge);
		}
		return (synth(200, req.http.n));
	}
}
sub vcl_backend_response { set beresp.grace = 1h; }
`, host, port)), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "varnishd", "-F", "-a", addr, "-f", vcl, "-n", filepath.Join(dir, "varnish"), "-s", "malloc,16m", "-j", "none")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	defer func() {
		stop()
		<-exited
	}()
	edge := "http://" + addr
	get := func() string {
		t.Helper()
		res, err := http.Get(edge + "/page")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if res, err := http.Get(edge + "/warm-up"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == 200 {
				break
			}
		}
		select {
		case <-exited:
			if strings.Contains(out.String(), "xkey") {
				missing("varnishd has no module xkey (Debian: varnish-modules): " + out.String())
			}
			t.Fatal(out.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("varnishd does not answer")
		}
	}
	calls.Store(0)

	sender := must[*cdn.Varnish](t)(cdn.NewVarnish(cdn.VarnishConfig{Nodes: []string{edge}, FullVCL: true}))
	cache := must[*revalidate.Cache](t)(revalidate.New(revalidate.Config{OnInvalidate: cdn.All(sender)}))
	defer func() { _ = cache.Close(context.Background()) }()
	step := func(want, what string) {
		t.Helper()
		if got := get(); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	step("call 1", "cold")
	step("call 1", "warm")
	if err := cache.ExpireTag(context.Background(), "users"); err != nil {
		t.Fatal(err)
	}
	step("call 1", "after another tag expired")
	if err := cache.ExpireTag(context.Background(), "posts"); err != nil {
		t.Fatal(err)
	}
	step("call 2", "after the tag expired")
	if err := cache.RevalidateTag(context.Background(), "author:1"); err != nil {
		t.Fatal(err)
	}
	step("call 2", "the first read after RevalidateTag")
	for deadline := time.Now().Add(10 * time.Second); get() != "call 3"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the stale response is not refreshed")
		}
	}
	if err := cache.Purge(context.Background(), edge+"/other?a=1"); err != nil {
		t.Fatal(err)
	}
	step("call 3", "after the purge of another URL")
	if err := cache.Purge(context.Background(), edge+"/page"); err != nil {
		t.Fatal(err)
	}
	step("call 4", "after the purge of the URL")
	step("call 4", "warm again")
	if err := cache.PurgeAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	step("call 5", "after the purge of everything")
	site := cache.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	site.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", edge+"/other", nil))
	step("call 5", "after an unsafe request for another URL")
	site.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", edge+"/page", nil))
	step("call 6", "after an unsafe request for the URL")
	if m := cache.Metrics(); m.AnnounceErrors != 0 {
		t.Errorf("%d announcements failed", m.AnnounceErrors)
	}
}

// revalidateOrigin is a server that tells its tags in the field xkey.
func revalidateOrigin(t *testing.T, calls *atomic.Int64) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "s-maxage=3600")
		w.Header().Set("xkey", "posts author:1")
		fmt.Fprintf(w, "call %d", calls.Add(1))
	}))
	t.Cleanup(srv.Close)
	return srv
}
