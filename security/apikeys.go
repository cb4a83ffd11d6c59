package security

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// APIKeysConfig says which API keys are taken. Prefix is required.
type APIKeysConfig struct {
	// Prefix is the first part of every key, 2 to 16 lower-case letters and digits. Required.
	Prefix string

	// Keys are the stored keys. Several may belong to one principal, which is how keys are rotated: old and new are both
	// taken until NotAfter of the old. None means that no key is taken until [APIKeys.Replace].
	Keys []APIKey

	// Header is the field in which clients send the key, such as "X-Api-Key". Empty means "Authorization: Bearer", which every
	// cache, proxy and log knows to be secret.
	Header string

	// Realm names what the keys open, in WWW-Authenticate. Empty means "api".
	Realm string

	// OnUse, if not nil, is told that a key was used, at most once each UseInterval, so that keys nobody uses can be found. It
	// runs on the request's goroutine: hand slow work on.
	OnUse func(key APIKey, at time.Time)

	// UseInterval is the least time between two calls of OnUse for one key. Zero means one minute.
	UseInterval time.Duration
}

// APIKeys is a [Scheme] of random keys that are stored hashed. Its set of keys is replaced as a whole while requests are served.
//
// In [AccessConfig.Schemes] it stands before a [Bearer], which claims every bearer token.
//
// A key is never taken from the query of a URL, where logs and Referer fields would keep it. An APIKeys is safe for concurrent use.
type APIKeys struct {
	config APIKeysConfig
	header string // canonical; "" for Authorization
	keys   atomic.Pointer[map[string]*storedKey]
	mu     sync.Mutex // held by Replace
}

// storedKey is a key with its hash decoded, and when it was last reported as used.
type storedKey struct {
	APIKey
	hash [sha256.Size]byte
	used *atomic.Int64 // Unix nanoseconds; kept when the set is replaced
}

// NewAPIKeys returns a set of keys, or every mistake in c.
func NewAPIKeys(c APIKeysConfig) (*APIKeys, error) {
	bad := invalid.Config{Package: "security"}
	if !isKeyPrefix(c.Prefix) {
		bad.Field("APIKeysConfig.Prefix", c.Prefix, "must be 2 to 16 lower-case letters and digits")
	}
	k := &APIKeys{config: c}
	if c.Header != "" && !isToken(c.Header) {
		bad.Field("APIKeysConfig.Header", c.Header, "must be a field name")
	}
	if h := http.CanonicalHeaderKey(c.Header); h != "Authorization" {
		k.header = h
	}
	if c.UseInterval < 0 {
		bad.Field("APIKeysConfig.UseInterval", c.UseInterval, "must not be negative")
	}
	if c.UseInterval == 0 {
		k.config.UseInterval = time.Minute
	}
	if c.Realm == "" {
		k.config.Realm = "api"
	}
	if !isRealm(k.config.Realm) {
		bad.Field("APIKeysConfig.Realm", c.Realm, "must be printable ASCII without quotes and backslashes")
	}
	k.load(c.Keys, "APIKeysConfig.Keys", &bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	k.config.Keys = nil
	return k, nil
}

// Replace takes keys instead of the present ones, for all requests that begin after it returns. When one of them is wrong, the error lists every
// mistake and the present keys stay.
func (k *APIKeys) Replace(keys []APIKey) error {
	bad := invalid.Config{Package: "security"}
	k.load(keys, "keys", &bad)
	return bad.Err()
}

func (k *APIKeys) load(keys []APIKey, field string, bad *invalid.Config) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var before map[string]*storedKey
	if p := k.keys.Load(); p != nil {
		before = *p
	}
	set := make(map[string]*storedKey, len(keys))
	for i, key := range keys {
		at := field + "[" + strconv.Itoa(i) + "]"
		key.check(at, k.config.Prefix, bad)
		if set[key.ID] != nil {
			bad.Field(at+".ID", key.ID, "must not occur twice")
		}
		stored := &storedKey{APIKey: key, used: new(atomic.Int64)}
		stored.Scopes = slices.Clone(key.Scopes)
		_, _ = hex.Decode(stored.hash[:], []byte(key.Hash)[:min(len(key.Hash), 2*sha256.Size)]) // checked above
		if old := before[key.ID]; old != nil {
			stored.used = old.used
		}
		set[key.ID] = stored
	}
	if bad.Err() == nil {
		k.keys.Store(&set)
	}
}

// Claim reports whether r has a key. Keys cannot be guessed, so it names nobody. In the Authorization field it claims only what has
// the prefix, and leaves other bearer tokens to other schemes.
func (k *APIKeys) Claim(r *http.Request) (name string, ok bool) {
	if k.header != "" {
		return "", len(r.Header[k.header]) > 0
	}
	token, ok := credentialsOf(r, "bearer")
	if !ok {
		return "", false
	}
	_, prefixed, _ := parseKey(k.config.Prefix, token)
	return "", prefixed
}

// Authenticate verifies the key of r. Why a key is refused is said to the log only: the client learns that it is.
func (k *APIKeys) Authenticate(r *http.Request) (Principal, error) {
	key, _ := credentialsOf(r, "bearer")
	if k.header != "" {
		lines := r.Header[k.header]
		if len(lines) != 1 {
			return Principal{}, wrong("not exactly one " + k.header + " field")
		}
		key = lines[0]
	}
	id, _, whole := parseKey(k.config.Prefix, key)
	if !whole {
		return Principal{}, wrong("the API key is not whole")
	}
	sum := sha256.Sum256([]byte(key))
	stored := (*k.keys.Load())[id]
	if stored == nil {
		stored = &storedKey{} // compare all the same
	}
	same := subtle.ConstantTimeCompare(sum[:], stored.hash[:]) == 1
	switch now := time.Now(); {
	case stored.ID == "":
		return Principal{}, wrong("no API key has this id")
	case !same:
		return Principal{}, wrong("API key " + stored.String() + " does not match its hash")
	case now.Before(stored.NotBefore):
		return Principal{}, wrong("API key " + stored.String() + " is not valid yet")
	case !stored.NotAfter.IsZero() && now.After(stored.NotAfter):
		return Principal{}, wrong("API key " + stored.String() + " has expired")
	default:
		k.note(stored, now)
	}
	return Principal{ID: stored.Principal, Scheme: "api-key", KeyID: stored.ID, Scopes: stored.Scopes}, nil
}

// note calls OnUse when the last call for the key is long enough ago; of several requests at once, one does.
func (k *APIKeys) note(stored *storedKey, now time.Time) {
	if k.config.OnUse == nil {
		return
	}
	last := stored.used.Load()
	if last != 0 && now.UnixNano()-last < int64(k.config.UseInterval) {
		return
	}
	if stored.used.CompareAndSwap(last, now.UnixNano()) {
		k.config.OnUse(stored.APIKey, now)
	}
}

// Challenge returns a Bearer challenge (RFC 6750, section 3). Where the key has a field of its own, it names the scheme "ApiKey": no standard has a
// name for it, and a 401 must have a challenge.
func (k *APIKeys) Challenge(reason error, scopes []string) string {
	switch {
	case k.header == "":
		return bearerChallenge(k.config.Realm, reason, scopes)
	case errors.Is(reason, ErrScope):
		return ""
	}
	return `ApiKey realm="` + k.config.Realm + `"`
}
