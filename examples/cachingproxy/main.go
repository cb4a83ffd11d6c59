// Command cachingproxy is a shared HTTP cache in front of another server: revalidate's Wrap around [httputil.ReverseProxy].
//
//	go run ./examples/cachingproxy -addr 127.0.0.1:8080 -origin http://127.0.0.1:8000
//
// It follows RFC 9111. Responses are tagged by Surrogate-Key, xkey or Cache-Tag, and with -token one request forgets a tag:
//
//	curl 'http://127.0.0.1:8080/.cache/revalidate?token=T&tag=posts'
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	origin := flag.String("origin", "", "`URL` of the server to cache, such as http://127.0.0.1:8000")
	megabytes := flag.Int64("memory", 256, "memory for responses, in `MiB`")
	heuristic := flag.Bool("heuristic", true, "give responses with Last-Modified and no stated freshness a tenth of their age")
	cookies := flag.Bool("insecure-store-set-cookie", false, "store responses with Set-Cookie: their cookies go to everybody")
	token := flag.String("token", "", "`secret` of GET /.cache/revalidate?token=&tag=; empty means there is none")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *addr, *origin, *token, config(*megabytes, *heuristic, *cookies))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func config(megabytes int64, heuristic, cookies bool) revalidate.Config {
	return revalidate.Config{
		MaxBytes: megabytes << 20,
		Responses: revalidate.Responses{
			Name:                   "cachingproxy",
			Heuristic:              heuristic,
			StaleIfDisconnected:    time.Hour,
			InsecureStoreSetCookie: cookies,
		},
	}
}

func run(ctx context.Context, addr, origin, token string, c revalidate.Config) error {
	handler, cache, err := newProxy(origin, token, c, newTransport())
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	slog.Info("caching proxy", "url", "http://"+addr, "origin", origin)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(server.Shutdown(wait), cache.Close(wait))
}

// newTransport returns a transport that brings what the origin sent, as it is.
func newTransport() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	transport.MaxIdleConnsPerHost = 64
	transport.IdleConnTimeout = 4 * time.Second // before a Node origin, after 5 s, closes one as a PUT goes out that cannot be sent again
	transport.DisableCompression = true
	return transport
}

// newProxy returns a handler that caches what origin answers.
func newProxy(origin, token string, c revalidate.Config, transport http.RoundTripper) (http.Handler, *revalidate.Cache, error) {
	target, err := url.Parse(origin)
	if err != nil || target.Host == "" {
		return nil, nil, fmt.Errorf("-origin must be an absolute URL, not %q", origin)
	}
	cache, err := revalidate.New(c)
	if err != nil {
		return nil, nil, err
	}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
	}
	handler := cache.Wrap(proxy)
	if token == "" {
		return handler, cache, nil
	}
	endpoint, err := revalidate.NewEndpoint(revalidate.EndpointConfig{Cache: cache, Tokens: []string{token}, Mode: revalidate.ModeExpire})
	if err != nil {
		return nil, nil, err
	}
	// Not a ServeMux: it would redirect paths that the origin may tell apart.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/.cache/revalidate" {
			endpoint.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	}), cache, nil
}
