package jwt

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

const (
	maxKeySet     = 1 << 20         // bytes
	maxKeys       = 100             // keys of one set that are kept
	maxTried      = 8               // keys that are tried on a token that names none
	keyTimeout    = 5 * time.Second // for one fetch
	leastRSA      = 2048            // bits, RFC 7518, section 3.3
	noKeysMessage = "must have at least one public signing key"
)

// keySource holds the keys of an issuer and fetches them when they are old, or when a token names one that is not among them.
type keySource struct {
	url     string // "" where the keys do not change
	client  *http.Client
	refresh time.Duration
	retry   time.Duration
	stale   time.Duration

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched time.Time     // when keys came; zero for never
	tried   time.Time     // when the last fetch began
	running chan struct{} // closed when the fetch that runs ends; nil where none does
}

func newKeySource(c Config, bad *invalid.Config) keySource {
	if (c.KeysURL == "") == (len(c.Keys) == 0) {
		bad.Hidden("Config", "must have one of KeysURL and Keys")
	}
	if c.KeysURL == "" {
		keys, err := parseKeys(c.Keys)
		if len(c.Keys) > 0 && err != nil {
			bad.Hidden("Config.Keys", err.Error())
		}
		return keySource{keys: keys}
	}
	checkKeysURL(c.KeysURL, bad)
	client := http.Client{}
	if c.Client != nil {
		client = *c.Client
	}
	client.CheckRedirect = safeRedirect
	return keySource{url: c.KeysURL, client: &client, refresh: c.RefreshAfter, retry: c.RetryAfter, stale: c.StaleFor}
}

// parseKeys reads a JWK Set and keeps the public keys for signatures that are strong enough.
func parseKeys(raw []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("must be a JWK Set")
	}
	var keys []jose.JSONWebKey
	for _, one := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(one) != nil || !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
			continue // keys of kinds that are not known here are skipped (RFC 7517, section 5)
		}
		if r, ok := key.Key.(*rsa.PublicKey); ok && r.N.BitLen() < leastRSA {
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New(noKeysMessage)
	}
	return keys, nil
}

// find returns the keys that may have signed a token: the one it names, or a few where it names none.
func (s *keySource) find(ctx context.Context, id, algorithm string) ([]any, error) {
	keys, age := s.current()
	found := matching(keys, id, algorithm)
	if s.url == "" {
		return found, nil
	}
	if age > s.refresh || len(found) == 0 {
		if err := s.fetch(ctx, len(found) == 0); err != nil && len(keys) == 0 {
			return nil, err
		}
		if ctx.Err() != nil && len(found) == 0 {
			return nil, fmt.Errorf("%w: %w", ErrSigningKeys, context.Cause(ctx))
		}
		keys, age = s.current()
		found = matching(keys, id, algorithm)
	}
	if len(keys) == 0 || age > s.refresh+s.stale {
		return nil, ErrSigningKeys
	}
	return found, nil
}

// current returns the keys, and how old they are.
func (s *keySource) current() (keys []jose.JSONWebKey, age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys, time.Since(s.fetched)
}

// matching returns the keys for a token.
func matching(keys []jose.JSONWebKey, id, algorithm string) []any {
	var found []any
	for i := range keys {
		k := &keys[i]
		if (id == "" || k.KeyID == id) && (k.Algorithm == "" || k.Algorithm == algorithm) && len(found) < maxTried {
			found = append(found, k.Key)
		}
	}
	return found
}

// fetch fetches the keys, unless that was tried a short time ago. Where a fetch runs already, wait says whether to wait for its end. The
// request that began it may end: the fetch goes on.
func (s *keySource) fetch(ctx context.Context, wait bool) error {
	s.mu.Lock()
	running := s.running
	if running != nil || time.Since(s.tried) < s.retry {
		s.mu.Unlock()
		if running != nil && wait {
			select {
			case <-running:
			case <-ctx.Done():
			}
		}
		return nil
	}
	s.tried, s.running = time.Now(), make(chan struct{})
	s.mu.Unlock()

	var keys []jose.JSONWebKey
	defer func() { // also where the client panics
		s.mu.Lock()
		defer s.mu.Unlock()
		if keys != nil {
			s.keys, s.fetched = keys, time.Now()
		}
		close(s.running)
		s.running = nil
	}()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyTimeout)
	defer cancel()
	var err error
	if keys, err = s.get(bounded); err != nil {
		return fmt.Errorf("%w: %w", ErrSigningKeys, err)
	}
	return nil
}

func (s *keySource) get(ctx context.Context) ([]jose.JSONWebKey, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", s.url, res.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxKeySet {
		return nil, errors.New("the key set is larger than 1 MiB")
	}
	return parseKeys(raw)
}
