package callback

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// maxCookie is the most bytes that a sealed cookie's name and value may have together. Browsers drop a cookie above 4096 without
// a word (RFC 6265bis, section 5.6); below it, proxies need room as well.
const maxCookie = 3800

// cookiePurpose keeps what is sealed for a [Cookie] apart from whatever else its keys seal.
const cookiePurpose = "cookie"

// CookieConfig describes a sealed cookie.
type CookieConfig struct {
	// Keys seals the cookie. Required.
	Keys *Keyring

	// Name is the cookie's name without prefix: "session" is sent as "__Host-session". Required; letters, digits, '-' and '_'.
	Name string

	// Lifetime is how long the value opens, and the cookie's Max-Age. Required; at least a second, at most 400 days, which is where
	// browsers cap it.
	Lifetime time.Duration

	// SameSite says which requests from other sites carry the cookie. Zero means Lax: a link or redirect from elsewhere carries
	// it, which a return from a third party needs; a form post, frame or fetch from elsewhere does not. Strict would lose the cookie on
	// the return itself. None is for pages inside another site's frame, and then wants Partitioned.
	SameSite http.SameSite

	// Partitioned keeps a separate cookie for each top-level site that frames the page (CHIPS). Only with SameSite None.
	Partitioned bool

	// InsecureHTTP drops Secure and the __Host- prefix, for development over plain HTTP where a browser would not keep the cookie.
	// Anyone on the network can then read and replace it.
	InsecureHTTP bool
}

// Cookie is a sealed cookie: what [Cookie.Set] puts in a browser, only [Cookie.Get] can read. Make one with [NewCookie]; it is
// immutable and safe for concurrent use.
//
// It is HttpOnly, Secure and for the whole of its host ("/"), with the "__Host-" prefix, by which a browser refuses it from a
// subdomain or over plain HTTP. The cookie's name is sealed in as associated data: a value moved to another cookie does not open.
type Cookie struct {
	keys     *Keyring
	name     string
	lifetime time.Duration
	attributes
}

// attributes are what the cookies of one kind have in common.
type attributes struct {
	suffix string // what follows Max-Age and HttpOnly in Set-Cookie
}

func newAttributes(insecureHTTP bool, sameSite http.SameSite, partitioned bool) (a attributes) {
	if !insecureHTTP {
		a.suffix += "; Secure"
	}
	switch sameSite {
	case http.SameSiteStrictMode:
		a.suffix += "; SameSite=Strict"
	case http.SameSiteNoneMode:
		a.suffix += "; SameSite=None"
	default:
		a.suffix += "; SameSite=Lax"
	}
	if partitioned {
		a.suffix += "; Partitioned"
	}
	return a
}

// set sets a cookie for the whole host that no script reads, in place of one of its name set before in the same answer (RFC 6265,
// section 4.1.1). Name and value need no quoting: both are of this package's making.
func (a attributes) set(w http.ResponseWriter, name, value string, maxAge int) {
	line := name + "=" + value + "; Path=/; Max-Age=" + strconv.Itoa(maxAge) + "; HttpOnly" + a.suffix
	h := w.Header()
	kept := h["Set-Cookie"][:0:0]
	for _, before := range h["Set-Cookie"] {
		if other, _, _ := strings.Cut(before, "="); other != name {
			kept = append(kept, before)
		}
	}
	h["Set-Cookie"] = append(kept, line)
}

// NewCookie returns a Cookie, or every mistake in c at once.
func NewCookie(c CookieConfig) (*Cookie, error) {
	bad := invalid.Config{Package: "callback"}
	if c.Keys == nil {
		bad.Hidden("CookieConfig.Keys", "is required")
	}
	checkName(&bad, "CookieConfig.Name", c.Name)
	if c.Lifetime < time.Second || c.Lifetime > 400*24*time.Hour {
		bad.Field("CookieConfig.Lifetime", c.Lifetime, "must be from 1s to 9600h")
	}
	switch c.SameSite {
	case 0, http.SameSiteDefaultMode:
		c.SameSite = http.SameSiteLaxMode
	case http.SameSiteLaxMode, http.SameSiteStrictMode:
	case http.SameSiteNoneMode:
		if c.InsecureHTTP {
			bad.Hidden("CookieConfig.SameSite", "must not be None with InsecureHTTP: browsers refuse None without Secure")
		}
	default:
		bad.Field("CookieConfig.SameSite", int(c.SameSite), "must be one of net/http's modes")
	}
	if c.Partitioned && c.SameSite != http.SameSiteNoneMode {
		bad.Hidden("CookieConfig.Partitioned", "needs SameSite None")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return &Cookie{
		keys: c.Keys, name: cookieName(c.Name, c.InsecureHTTP), lifetime: c.Lifetime,
		attributes: newAttributes(c.InsecureHTTP, c.SameSite, c.Partitioned),
	}, nil
}

func cookieName(name string, insecureHTTP bool) string {
	if insecureHTTP {
		return name
	}
	return "__Host-" + name
}

func checkName(c *invalid.Config, field, name string) {
	const rule = "must be 1 to 64 letters, digits, '-' or '_'"
	if name == "" {
		c.Hidden(field, rule)
		return
	}
	for i := range len(name) {
		b := lowerByte(name[i])
		if i >= 64 || ((b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-' && b != '_') {
			c.Field(field, name, rule)
			return
		}
	}
	if strings.HasPrefix(lower(name), "__") {
		c.Field(field, name, "must have no prefix: __Host- is added")
	}
}

// Name returns the cookie's name as sent, with its prefix.
func (k *Cookie) Name() string { return k.name }

// Set seals value and sets the cookie in w's header, in place of one set before in the same answer. Value plus overhead must stay
// below 3800 bytes in all (about 2780 of value), else the error is [ErrCookieTooLarge] and nothing is set.
//
// An answer that sets a cookie must not be cached: send "Cache-Control: no-store" with it.
func (k *Cookie) Set(w http.ResponseWriter, value []byte) error {
	return k.setUntil(w, value, time.Now().Add(k.lifetime))
}

// setUntil sets the cookie so that its value opens until expires.
func (k *Cookie) setUntil(w http.ResponseWriter, value []byte, expires time.Time) error {
	sealed := k.keys.Seal(cookiePurpose, k.name, value, expires)
	if len(k.name)+len("=")+len(sealed) > maxCookie {
		return ErrCookieTooLarge
	}
	k.set(w, k.name, sealed, max(1, int(time.Until(expires)/time.Second)))
	return nil
}

// Clear tells the browser to drop the cookie.
func (k *Cookie) Clear(w http.ResponseWriter) {
	k.set(w, k.name, "", 0)
}

// Get returns the value of r's cookie. The error is [ErrCookieMissing], [ErrSealInvalid] or [ErrSealExpired].
func (k *Cookie) Get(r *http.Request) ([]byte, error) {
	value, _, err := k.get(r)
	return value, err
}

// get is Get with the time the value expires. Where plain HTTP lets a browser hold several cookies of the name, the first that opens
// counts.
func (k *Cookie) get(r *http.Request) (value []byte, expires time.Time, err error) {
	err = ErrCookieMissing
	for _, c := range r.CookiesNamed(k.name) {
		var e error
		if value, expires, e = k.keys.Open(cookiePurpose, k.name, c.Value); e == nil {
			return value, expires, nil
		}
		if !errors.Is(err, ErrSealExpired) {
			err = e
		}
	}
	return nil, time.Time{}, err
}
