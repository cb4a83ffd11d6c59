package security

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash/maphash"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// ErrBusy is the reason for which a password is not verified: too many are being verified already. It is answered 503.
var ErrBusy = refusal.New(http.StatusServiceUnavailable, "too many passwords are being verified")

// Basic is a [Scheme] for names and passwords in "Authorization: Basic" (RFC 7617), for tools and machines: browsers keep such
// passwords until they are closed. Users is required. Serve it over TLS only.
//
// Passwords can be guessed, so failed attempts count by name too, see [Access].
type Basic struct {
	// Users are the hashes of passwords by user name: those of [HashPassword], or of bcrypt as htpasswd -B makes them. Required.
	Users map[string]string

	// Scopes are what each user may do, by name. A user without an entry has no scope. Nil means none has.
	Scopes map[string][]string

	// Realm names what the passwords open, in WWW-Authenticate. Empty means "api".
	Realm string

	// RememberFor is how long a password that was right is taken without hashing it again, which costs tens of milliseconds
	// and of megabytes. Zero means one minute, below zero not at all.
	RememberFor time.Duration
}

const (
	maxUserName = 256
	maxPassword = 1024
	maxWaiting  = 64   // requests that wait for a password to be verified
	maxVerified = 4096 // passwords that are remembered
)

// Claim returns the user name that r claims.
func (b Basic) Claim(r *http.Request) (name string, ok bool) {
	text, ok := credentialsOf(r, "basic")
	if !ok {
		return "", false
	}
	name, _, _ = parseBasic(text)
	return name, true
}

// Authenticate verifies the password of r. Made ready by [NewAccess], a Basic hashes no more passwords at once than there are processors.
func (b Basic) Authenticate(r *http.Request) (Principal, error) {
	bad := invalid.Config{Package: "security"}
	s := b.compile("Basic", &bad)
	if err := bad.Err(); err != nil {
		return Principal{}, err
	}
	return s.Authenticate(r)
}

// Challenge returns a challenge by RFC 7617, section 2, which asks for UTF-8.
func (b Basic) Challenge(reason error, _ []string) string {
	if errors.Is(reason, ErrScope) {
		return "" // other credentials would be the same user's
	}
	realm := b.Realm
	if realm == "" {
		realm = "api"
	}
	return `Basic realm="` + realm + `", charset="UTF-8"`
}

func (b Basic) compile(field string, bad *invalid.Config) Scheme {
	c := &compiledBasic{
		Basic:   b,
		users:   make(map[string]passwordHash, len(b.Users)),
		seed:    maphash.MakeSeed(),
		key:     make([]byte, 32),
		working: make(chan struct{}, runtime.GOMAXPROCS(0)),
		waiting: make(chan struct{}, maxWaiting),
	}
	_, _ = rand.Read(c.key) // never fails: it ends the program instead
	if len(b.Users) == 0 {
		bad.Hidden(field+".Users", "must not be empty")
	}
	for _, name := range slices.Sorted(maps.Keys(b.Users)) {
		at := field + ".Users[" + strconv.Quote(name) + "]"
		if name == "" || len(name) > maxUserName || !isBasicText(name) || strings.Contains(name, ":") {
			bad.Hidden(at, "must be a name of 1 to 256 bytes of UTF-8 without colons and control characters")
		}
		h, ok := parseHash(b.Users[name])
		if !ok {
			bad.Hidden(at, "must be a hash of HashPassword or of bcrypt")
			continue
		}
		c.users[name] = h
		c.decoys = append(c.decoys, h.decoy())
	}
	for _, name := range slices.Sorted(maps.Keys(b.Scopes)) {
		if _, ok := b.Users[name]; !ok {
			bad.Hidden(field+".Scopes["+strconv.Quote(name)+"]", "must be of one of Users")
		}
	}
	if !isRealm(b.Realm) {
		bad.Field(field+".Realm", b.Realm, "must be printable ASCII without quotes and backslashes")
	}
	if b.RememberFor == 0 {
		c.RememberFor = time.Minute
	}
	c.Scopes = make(map[string][]string, len(b.Scopes))
	for name, scopes := range b.Scopes {
		c.Scopes[name] = slices.Clone(scopes)
	}
	c.verified.until = make(map[[sha256.Size]byte]time.Time)
	return c
}

// compiledBasic is a Basic with its hashes parsed.
type compiledBasic struct {
	Basic
	users    map[string]passwordHash
	decoys   []passwordHash // of no password: for unknown names, at the cost of a known one's
	seed     maphash.Seed
	key      []byte // of the names under which verified passwords are remembered
	working  chan struct{}
	waiting  chan struct{}
	verified verifiedPasswords
}

func (c *compiledBasic) Authenticate(r *http.Request) (Principal, error) {
	text, _ := credentialsOf(r, "basic")
	name, password, ok := parseBasic(text)
	if !ok {
		return Principal{}, wrong("the Basic credentials are malformed")
	}
	mac := hmac.New(sha256.New, c.key)
	mac.Write([]byte(text))
	key := [sha256.Size]byte(mac.Sum(nil))
	if c.RememberFor <= 0 || !c.verified.has(key) {
		h, known := c.users[name]
		if !known {
			h = c.decoys[maphash.String(c.seed, name)%uint64(len(c.decoys))]
		}
		matches, err := c.verify(r.Context(), h, password)
		switch {
		case err != nil:
			return Principal{}, err
		case !known:
			return Principal{}, wrong("no user has this name")
		case !matches:
			return Principal{}, wrong("the password of " + strconv.Quote(name) + " is wrong")
		}
		if c.RememberFor > 0 {
			c.verified.add(key, c.RememberFor)
		}
	}
	return Principal{ID: name, Scheme: "basic", Scopes: c.Scopes[name]}, nil
}

// verify hashes the password when a processor is free for it. A flood of passwords waits in a short line, and the rest is refused: hashing
// is made to be expensive.
func (c *compiledBasic) verify(ctx context.Context, h passwordHash, password string) (bool, error) {
	if ctx.Err() != nil { // nobody waits for the answer
		return false, errors.Join(ErrBusy, context.Cause(ctx))
	}
	select {
	case c.waiting <- struct{}{}:
	default:
		return false, ErrBusy
	}
	defer func() { <-c.waiting }()
	select {
	case c.working <- struct{}{}:
	case <-ctx.Done():
		return false, errors.Join(ErrBusy, context.Cause(ctx))
	}
	defer func() { <-c.working }()
	return h.matches(password), nil
}

// parseBasic reads user-pass (RFC 7617, section 2).
func parseBasic(text string) (name, password string, ok bool) {
	if len(text) > base64.StdEncoding.EncodedLen(maxUserName+1+maxPassword) {
		return "", "", false
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", "", false
	}
	name, password, ok = strings.Cut(string(raw), ":")
	if !ok || name == "" || len(name) > maxUserName || len(password) > maxPassword || !isBasicText(name) || !isBasicText(password) {
		return "", "", false
	}
	return name, password, true
}

// isBasicText reports whether s is UTF-8 without control characters, which RFC 7617 forbids in both.
func isBasicText(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}
