package oidc

import (
	"errors"
	"io"
	"net/http"

	"golang.org/x/time/rate"
)

// sparseTransport refuses requests beyond a rate.
type sparseTransport struct {
	next  http.RoundTripper
	limit *rate.Limiter
}

var errTooManyFetches = errors.New("keys were fetched too often")

func (t *sparseTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.limit.Allow() {
		return nil, errTooManyFetches
	}
	return t.next.RoundTrip(r)
}

// limited returns a client that follows no redirect, waits for no answer long and reads no large one.
func limited(base *http.Client) *http.Client {
	c := http.Client{Timeout: callTimeout}
	var next http.RoundTripper
	if base != nil {
		next = base.Transport
		if base.Timeout > 0 && base.Timeout < callTimeout {
			c.Timeout = base.Timeout
		}
	}
	if next == nil {
		next = http.DefaultTransport
	}
	c.Transport = limitedTransport{next}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

type limitedTransport struct{ next http.RoundTripper }

func (t limitedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err == nil {
		res.Body = &limitedBody{io.LimitReader(res.Body, answerLimit), res.Body}
	}
	return res, err
}

// quiet returns client for libraries that put what a refused GET said into their errors: there, it says nothing. It might repeat a token.
func quiet(client *http.Client) *http.Client {
	c := *client
	c.Transport = quietTransport{client.Transport}
	return &c
}

type quietTransport struct{ next http.RoundTripper }

func (t quietTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet && res.StatusCode != http.StatusOK {
		_ = res.Body.Close() // it is not read
		res.Body = http.NoBody
	}
	return res, err
}

type limitedBody struct {
	io.Reader
	io.Closer
}
