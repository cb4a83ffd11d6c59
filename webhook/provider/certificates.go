package provider

import (
	"context"
	"encoding/pem"
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
// size. What was fetched is kept by its URL; failures are not kept, but few fetches run at once.
type certificates struct {
	transport http.RoundTripper
	allowed   func(*url.URL) bool
	running   chan struct{}

	mu   sync.Mutex
	kept map[string]certificate
}

type certificate struct {
	key     publicKey
	expires time.Time
}

func newCertificates(transport http.RoundTripper, allowed func(*url.URL) bool) *certificates {
	return &certificates{
		transport: transport, allowed: allowed,
		running: make(chan struct{}, concurrentFetching),
		kept:    map[string]certificate{},
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
	found, ok := c.kept[rawURL]
	c.mu.Unlock()
	if ok && time.Now().Before(found.expires) {
		return found.key, nil
	}
	select {
	case c.running <- struct{}{}:
		defer func() { <-c.running }()
	default:
		return publicKey{}, fmt.Errorf("%w: too many certificates are being fetched", webhook.ErrUnavailable)
	}
	key, err := c.fetch(ctx, u)
	if err != nil {
		return publicKey{}, err
	}
	c.keep(rawURL, key)
	return key, nil
}

// keep stores key, in place of the one that expires first when there are too many.
func (c *certificates) keep(rawURL string, key publicKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
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
	text, err := getBounded(ctx, c.transport, u, maxCertificate)
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
func getBounded(ctx context.Context, transport http.RoundTripper, u *url.URL, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r := (&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	res, err := transport.RoundTrip(r)
	if err != nil {
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
