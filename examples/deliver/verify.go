package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// verify checks a captured delivery as an endpoint at the time of -at would have done.
func verify(ctx context.Context, o *options, body []byte) (string, error) {
	scheme, err := provider.Inspect(o.provider, o.secrets...)
	if err != nil {
		return "", err
	}
	endpoint, err := webhook.New(webhook.Config{
		Scheme:    scheme,
		OnEvent:   func(context.Context, webhook.Event) error { return nil },
		PublicURL: o.publicURL,
		MaxBody:   max(1, int64(len(body))), // how large a body may be is the endpoint's decision, not the signature's
		Now:       func() time.Time { return o.at },
	})
	if err != nil {
		return "", err
	}
	method := o.method
	if method == "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, o.url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header = o.header
	if promised := endpoint.Contract().MediaTypes; len(r.Header["Content-Type"]) == 0 && len(promised) > 0 {
		r.Header.Set("Content-Type", promised[0]) // captures often leave it out
	}
	reply, err := endpoint.Handshake(r)
	if err != nil {
		return "", err
	}
	if reply != nil {
		return line("accepted", "provider", o.provider, "type", "handshake", "id", ""), nil
	}
	e, err := endpoint.Verify(r)
	if err != nil {
		return "", err
	}
	result := line("accepted", "provider", e.Provider, "type", e.Type, "id", e.ID)
	if o.provider == "rfc9421" && len(body) > 0 && !slices.Contains(e.SignedHeaders, "Content-Digest") {
		result += ", but the signature does not cover the body"
	}
	return result, nil
}

// line joins word and pairs of name and value; a value that could be taken for several words is quoted.
func line(word string, pairs ...string) string {
	var b strings.Builder
	_, _ = io.WriteString(&b, word)
	for i := 0; i+1 < len(pairs); i += 2 {
		value := strconv.Quote(pairs[i+1])
		if pairs[i+1] != "" && value == `"`+pairs[i+1]+`"` && !strings.ContainsAny(value, " =") {
			value = pairs[i+1]
		}
		_, _ = fmt.Fprintf(&b, " %s=%s", pairs[i], value)
	}
	return b.String()
}
