package provider

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Bounds of fetching a certificate.
const (
	maxCertificate     = 64 << 10
	fetchTimeout       = 5 * time.Second
	certificateAge     = 24 * time.Hour // after which it is fetched anew
	maxCertificates    = 16
	concurrentFetching = 4
)

// certificates fetches the certificates that deliveries name, and keeps them. A delivery is not verified yet when its certificate is
// fetched, so nothing in it is trusted: only a URL that allowed accepts is asked, without redirects, for a bounded time and
// size. What was fetched is kept by its URL; failures are not kept. Deliveries that need the same certificate share one fetch, and few
// URLs that were never good are asked at once: those who make them up cannot keep a known certificate from being fetched anew.
type certificates struct {
	client  *http.Client
	allowed func(*url.URL) bool

	mu       sync.Mutex
	kept     map[string]certificate
	fetching map[string]*fetching
	unknown  int // how many of fetching are not kept
}

type certificate struct {
	key     publicKey
	expires time.Time
}

// fetching is one fetch under way. key and err are settled when done is closed.
type fetching struct {
	done chan struct{}
	key  publicKey
	err  error
}

func newCertificates(client *http.Client, allowed func(*url.URL) bool) *certificates {
	return &certificates{
		client: client, allowed: allowed,
		kept: map[string]certificate{}, fetching: map[string]*fetching{},
	}
}

// parse reads rawURL and refuses it unless it is exactly of the provider's form.
func (c *certificates) parse(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil || len(rawURL) > maxText || u.Scheme != "https" || u.User != nil || u.Port() != "" || u.RawQuery != "" ||
		u.ForceQuery || u.Fragment != "" || u.RawPath != "" || u.Opaque != "" || u.String() != rawURL || !c.allowed(u) {
		return nil, fmt.Errorf("%w: the certificate's URL is not one of the provider's", webhook.ErrSignatureFormat)
	}
	return u, nil
}

// get returns the key of the certificate at rawURL.
func (c *certificates) get(ctx context.Context, rawURL string) (publicKey, error) {
	u, err := c.parse(rawURL)
	if err != nil {
		return publicKey{}, err
	}
	c.mu.Lock()
	found, known := c.kept[rawURL]
	if known && time.Now().Before(found.expires) {
		c.mu.Unlock()
		return found.key, nil
	}
	f, under := c.fetching[rawURL]
	if !under {
		f, err = c.begin(rawURL, known)
	}
	c.mu.Unlock()
	switch {
	case err != nil:
		return publicKey{}, err
	case !under:
		defer c.end(rawURL, known, f)                         // also when the client panics
		f.key, f.err = c.fetch(context.WithoutCancel(ctx), u) // others may wait for it when this sender hangs up; fetchTimeout ends it
		return f.key, f.err
	}
	select {
	case <-f.done:
		return f.key, f.err
	case <-ctx.Done():
		return publicKey{}, fmt.Errorf("%w: certificate: %w", webhook.ErrUnavailable, context.Cause(ctx))
	}
}

// begin notes a fetch of rawURL, unless there are too many. c.mu is held.
func (c *certificates) begin(rawURL string, known bool) (*fetching, error) {
	if !known && c.unknown >= concurrentFetching {
		return nil, fmt.Errorf("%w: too many certificates are being fetched", webhook.ErrUnavailable)
	}
	if !known {
		c.unknown++
	}
	f := &fetching{done: make(chan struct{}), err: fmt.Errorf("%w: the fetch of the certificate was given up", webhook.ErrUnavailable)}
	c.fetching[rawURL] = f
	return f, nil
}

// end settles f, and keeps the certificate if it came.
func (c *certificates) end(rawURL string, known bool, f *fetching) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.err == nil {
		c.keep(rawURL, f.key)
	}
	if !known {
		c.unknown--
	}
	delete(c.fetching, rawURL)
	close(f.done)
}

// keep stores key, in place of the one that expires first when there are too many. c.mu is held.
func (c *certificates) keep(rawURL string, key publicKey) {
	if _, ok := c.kept[rawURL]; !ok && len(c.kept) >= maxCertificates {
		oldest := ""
		for name, kept := range c.kept {
			if oldest == "" || kept.expires.Before(c.kept[oldest].expires) {
				oldest = name
			}
		}
		delete(c.kept, oldest)
	}
	c.kept[rawURL] = certificate{key, time.Now().Add(certificateAge)}
}

func (c *certificates) fetch(ctx context.Context, u *url.URL) (publicKey, error) {
	text, err := getBounded(ctx, c.client, u, maxCertificate)
	if err != nil {
		return publicKey{}, fmt.Errorf("%w: certificate: %w", webhook.ErrUnavailable, err)
	}
	if block, _ := pem.Decode(text); block == nil || block.Type != "CERTIFICATE" {
		return publicKey{}, fmt.Errorf("%w: no PEM certificate at its URL", webhook.ErrUnavailable)
	}
	key, rule := parsePublicKey(string(text))
	if rule != "" {
		return publicKey{}, fmt.Errorf("%w: the certificate %s", webhook.ErrUnavailable, rule)
	}
	return key, nil
}

// getBounded returns the body of u, at most limit bytes. A redirect is not followed and, like any status but 200, an error.
func getBounded(ctx context.Context, client *http.Client, u *url.URL, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r := (&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	res, err := client.Do(r)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // without the URL, which may have a token in it
		}
		return nil, fmt.Errorf("%s: %w", u.Host, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", u.Host, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", u.Host, err)
	case int64(len(body)) > limit:
		return nil, fmt.Errorf("%s answered with more than %d bytes", u.Host, limit)
	}
	return body, nil
}
