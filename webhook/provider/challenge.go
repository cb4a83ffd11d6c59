package provider

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// maxChallenge is more than any provider's challenge has.
const maxChallenge = 512

// echo answers a challenge with itself. Only characters that mean nothing to a browser are sent back (RFC 3986's
// unreserved ones, and those of base64): whoever opens the URL with another text gets no page of their making.
func echo(challenge string) (*webhook.Reply, error) {
	if !plainToken(challenge, maxChallenge) {
		return nil, fmt.Errorf("%w: the challenge is absent, too long, or has other characters than a provider's", webhook.ErrHandshake)
	}
	return &webhook.Reply{Body: []byte(challenge)}, nil
}

// plainToken reports whether text has 1 to limit letters, digits and characters of "-._~+/=".
func plainToken(text string, limit int) bool {
	if text == "" || len(text) > limit {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && strings.IndexByte("-._~+/=", c) < 0 {
			return false
		}
	}
	return true
}

// queryOf reads r's query, all of it or nothing, with each parameter once.
func queryOf(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: the query cannot be read", webhook.ErrHandshake)
	}
	for name, values := range query {
		if len(values) > 1 {
			return nil, fmt.Errorf("%w: the parameter %.40q is given twice", webhook.ErrHandshake, name)
		}
	}
	return query, nil
}
