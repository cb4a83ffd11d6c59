// Package cdn passes invalidations on to the caches in front of the server: Fastly, Cloudflare and Varnish.
//
//	fastly, err := cdn.NewFastly(cdn.FastlyConfig{Service: "SU1Z0isxPaozGVKXdv0eY", Token: token})
//	cache, err := revalidate.New(revalidate.Config{
//		OnInvalidate: cdn.All(fastly),
//		Responses:    revalidate.Responses{EmitTags: "Surrogate-Key"}, // tells Fastly the tags
//	})
//
// Each call of RevalidateTag and ExpireTag then purges the tags there too, before it returns, and so does PurgeAll with everything and
// Purge with a URL. What a request of an unsafe method invalidates behind Cache.Wrap is purged too, with a request to the CDN for each: where
// clients make many of them and the CDN forgets such URLs by itself, give OnInvalidate a func that passes on less.
package cdn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/revalidate"
)

// Reasons for which nothing, or not everything, was purged.
var (
	// ErrUnsupported is for what a CDN has no way to purge: paths, prefixes of tags, cache groups.
	ErrUnsupported = errors.New("cdn: invalidation names something that the CDN cannot purge")
	// ErrAnswer is for a CDN that refused.
	ErrAnswer = errors.New("cdn: purge was refused")
)

// A Sender tells one CDN of an invalidation. It returns when the CDN has accepted it.
type Sender interface {
	Send(ctx context.Context, inv revalidate.Invalidation) error
}

// All returns a function for [revalidate.Config].OnInvalidate that tells all senders at once and joins their errors.
func All(senders ...Sender) func(context.Context, revalidate.Invalidation) error {
	senders = slices.Clone(senders)
	return func(ctx context.Context, inv revalidate.Invalidation) error {
		failed := make([]error, len(senders))
		var wg sync.WaitGroup
		for i, s := range senders {
			wg.Go(func() { failed[i] = s.Send(ctx, inv) })
		}
		wg.Wait()
		return errors.Join(failed...)
	}
}

// Bounds of a purge.
const (
	defaultTimeout = 10 * time.Second
	maxAnswer      = 64 << 10
)

// client is what the senders share.
type client struct {
	http    *http.Client
	timeout time.Duration
}

func newClient(c *http.Client, timeout time.Duration, mistakes *invalid.Config) client {
	if timeout < 0 {
		mistakes.Field("Timeout", timeout, "must not be negative")
	}
	if timeout == 0 {
		timeout = defaultTimeout
	}
	if c == nil {
		c = http.DefaultClient
	}
	still := *c
	still.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a token goes to the API it is for and to nobody else
	}
	return client{&still, timeout}
}

// do sends a request and returns the beginning of the answer. The error names neither the request's header nor its URL's query.
func (c client) do(ctx context.Context, method, target string, header http.Header, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = header
	if host := header.Get("Host"); host != "" {
		r.Host = host // net/http does not send the field of the header
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, fmt.Errorf("%w: status %d of %s", ErrAnswer, res.StatusCode, r.URL.Host)
	}
	return answer, nil
}

// onlyTags returns the tags in groups of at most n, and an error where inv names something that is neither a tag nor a URL.
func onlyTags(inv revalidate.Invalidation, n int) ([][]string, error) {
	var err error
	if len(inv.Paths)+len(inv.TagPrefixes)+len(inv.Groups) > 0 {
		err = fmt.Errorf("%w: %d paths, %d prefixes, %d cache groups", ErrUnsupported, len(inv.Paths), len(inv.TagPrefixes), len(inv.Groups))
	}
	return slices.Collect(slices.Chunk(inv.Tags, n)), err
}

// checkHosts reports what is no name of a host.
func checkHosts(mistakes *invalid.Config, hosts []string) {
	for i, host := range hosts {
		if host == "" || strings.ContainsAny(host, "/:?#@ ") {
			mistakes.Field(fmt.Sprintf("Hosts[%d]", i), host, "must be the name of a host")
		}
	}
}

// pages returns each URL without its scheme, under each of hosts, or under its own host where there are none.
func pages(urls, hosts []string) ([]string, error) {
	var found []string
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			return nil, revalidate.ErrURL
		}
		names := hosts
		if len(names) == 0 {
			names = []string{u.Host}
		}
		for _, host := range names {
			found = append(found, host+u.RequestURI())
		}
	}
	return found, nil
}
