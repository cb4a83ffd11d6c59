package revalidate

import (
	"hash/maphash"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// defaultMaxResponse bounds a stored body where the store's bound does not.
const defaultMaxResponse = 8 << 20

// Responses says how [Cache.Wrap] works. The zero value is a shared cache after RFC 9111 that stores nothing without
// explicit freshness, no response with Set-Cookie and no server error.
type Responses struct {
	// MaxBody bounds the body of a stored response, in bytes; a longer one passes through. Zero means an eighth of
	// Config.MaxBytes, at most 8 MiB.
	MaxBody int64

	// Name is what the cache calls itself in Cache-Status (RFC 9211), a token such as "gatehouse". Empty means that.
	Name string
	// OmitCacheStatus leaves the Cache-Status field out.
	OmitCacheStatus bool

	// TargetField names a field of your own that handlers set to speak to this cache alone, such as
	// "Gatehouse-Cache-Control". Where it is a valid Dictionary, it replaces CDN-Cache-Control, Cache-Control and Expires
	// (RFC 9213); it is not sent to clients. Empty means that CDN-Cache-Control is the only targeted field.
	TargetField string
	// StripTags keeps Surrogate-Key, xkey, Cache-Tag and Cache-Groups from clients. The cache reads them in any case.
	StripTags bool
	// EmitTags names a field in which all tags of a stored response are sent to a cache downstream that has tags, in place of what the
	// handler says there: "Surrogate-Key" or "xkey", separated by spaces; "Cache-Tag", separated by commas, without the tags that
	// have one; "Cache-Groups", as RFC 9875 has it. Another field is separated by spaces. Empty means none.
	EmitTags string

	// Query rewrites the raw query for the key, to drop tracking parameters or sort them. The handler still sees the
	// query as it came. It must not return line breaks. Nil means that every byte counts.
	Query func(raw string) string
	// Normalise maps header fields to functions that bring their lines into one form, so that requests which mean the
	// same share a variant of a response with Vary. Lists are normal anyhow: joined, without space, and Accept fields
	// without case.
	Normalise map[string]func(lines []string) string

	// Heuristic gives responses with Last-Modified and no stated freshness a tenth of their age, at most a day
	// (RFC 9111, section 4.2.2).
	Heuristic bool
	// IgnoreRequestControl keeps clients from steering the cache by Cache-Control in requests, as caches that belong to
	// the origin usually do: a reload is then answered from the cache.
	IgnoreRequestControl bool
	// StaleIfDisconnected is how long past its freshness a response may be sent when the handler answers 502 or 504, or
	// aborts before its header: when it could not reach its origin (RFC 9111, section 4.2.4). What must be revalidated is
	// never sent. Zero means not at all; stale-if-error in the response works without it.
	StaleIfDisconnected time.Duration

	// InsecureStoreSetCookie stores responses with Set-Cookie, whose cookies are then sent to everybody. It is for an
	// origin whose cookies are the same for all.
	InsecureStoreSetCookie bool

	// Skip, if not nil, says which requests do not concern the cache: they go straight to the handler.
	Skip func(*http.Request) bool
}

// responses is Responses, compiled.
type responses struct {
	maxBody        int64
	name           string // empty for no Cache-Status
	targets        []string
	strip          []string // not sent
	hidden         []string // not sent as they were stored: strip and emit
	emit           string
	query          func(string) string
	normalise      map[string]func([]string) string
	heuristic      bool
	ignoreRequest  bool
	disconnected   time.Duration
	storeSetCookie bool
	skip           func(*http.Request) bool

	hitPrefix string // of a hit's Cache-Status; empty where there is none
}

func (r Responses) compile(c *invalid.Config, maxBytes int64) responses {
	if r.MaxBody < 0 {
		c.Field("Responses.MaxBody", r.MaxBody, "must not be negative")
	}
	if r.StaleIfDisconnected < 0 || r.StaleIfDisconnected > Forever {
		c.Field("Responses.StaleIfDisconnected", r.StaleIfDisconnected, "must be between zero and Forever")
	}
	for _, f := range [...]struct{ name, value string }{{"Name", r.Name}, {"TargetField", r.TargetField}, {"EmitTags", r.EmitTags}} {
		if f.value != "" && !isToken(f.value) {
			c.Field("Responses."+f.name, f.value, "must be a token")
		}
	}
	for name := range r.Normalise {
		if !isToken(name) {
			c.Field("Responses.Normalise", name, "must be named by a header field")
		}
	}
	out := responses{
		maxBody: or(r.MaxBody, min(or(maxBytes, defaultMaxBytes)/8, defaultMaxResponse)),
		name:    or(r.Name, "gatehouse"), query: r.Query, heuristic: r.Heuristic, ignoreRequest: r.IgnoreRequestControl,
		disconnected: r.StaleIfDisconnected, storeSetCookie: r.InsecureStoreSetCookie, skip: r.Skip,
		normalise: make(map[string]func([]string) string, len(r.Normalise)),
	}
	out.hitPrefix = out.name + "; hit; ttl="
	if r.OmitCacheStatus {
		out.name, out.hitPrefix = "", ""
	}
	if r.TargetField != "" {
		name := http.CanonicalHeaderKey(r.TargetField)
		out.targets = append(out.targets, name)
		out.strip = append(out.strip, name)
	}
	out.targets = append(out.targets, "Cdn-Cache-Control")
	if r.StripTags {
		out.strip = append(out.strip, "Surrogate-Key", "Xkey", "Cache-Tag", "Cache-Groups")
	}
	out.hidden = slices.Clone(out.strip)
	if r.EmitTags != "" {
		out.emit = http.CanonicalHeaderKey(r.EmitTags)
		out.hidden = append(out.hidden, out.emit)
	}
	for name, normal := range maps.All(r.Normalise) {
		if normal != nil {
			out.normalise[http.CanonicalHeaderKey(name)] = normal
		}
	}
	return out
}

// emitted returns packed tags as the emitted field says them.
func (c *responses) emitted(packed string) string {
	public := publicTags(packed)
	switch c.emit {
	case "Cache-Tag":
		tags := slices.DeleteFunc(splitTags(public), func(tag string) bool { return strings.Contains(tag, ",") })
		return strings.Join(tags, ",")
	case "Cache-Groups":
		tags := splitTags(public)
		for i, tag := range tags {
			tags[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(tag) + `"`
		}
		return strings.Join(tags, ", ")
	}
	return public
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isTokenByte(c) || c == ':' || c == '/' {
			return false
		}
	}
	return s != ""
}

// A wrapped is a handler behind the cache.
type wrapped struct {
	cache     *Cache
	next      http.Handler
	responses *responses
	seed      maphash.Seed
	varying   [64]sync.Mutex // order changes of variants entries, by primary key
}

// Wrap returns a handler that answers GET and HEAD from the cache where it may, and from next where it must: a shared
// cache after RFC 9111, with stale-while-revalidate and stale-if-error (RFC 5861), CDN-Cache-Control (RFC 9213),
// Cache-Status (RFC 9211) and Cache-Groups (RFC 9875).
//
// A response is stored when next says how long it is fresh, by Cache-Control, CDN-Cache-Control or Expires, and nothing
// forbids it. next names its tags by [Tag], by the fields Surrogate-Key, xkey, Cache-Tag and Cache-Groups, and by the data it reads with [Get]
// in its request's context. A response is found by scheme, host, path and query, and by the request fields that its Vary names.
//
// However many clients ask at once, next runs once, in a goroutine of its own whose context ends only when all clients have
// left; each reads what next writes as it is written. Where the response turns out not to be for everybody (private,
// Set-Cookie, not stored), the others run next for themselves.
//
// On a [Leaser] next runs once in all processes that share the store: clients of the others wait until the response is stored, for as long as
// Config.LeaseLife at most, unless they have something stale that they may be sent. Once a header says that its response is not for everybody
// nobody waits for it any longer, nor, for ten seconds, for the next response of this URL; after an error of the server, for one.
// A client who asks for what is made after it asked (no-cache) waits for no other process.
//
// The ResponseWriter that next gets begins with an empty header, so that fields set by middleware outside are never
// stored; it has Flush and passes 1xx on, but has neither Hijack nor deadlines. Requests that cannot be answered from a cache
// (other methods, upgrades, bodies, If-Match, ranges of what is not stored) reach next with the ResponseWriter as it is but for a
// hook before the header.
//
// Place it inside what authenticates, limits and logs, for those must see each request, and outside what compresses.
// Wrap several handlers with one cache only where their URLs differ.
func (c *Cache) Wrap(next http.Handler) http.Handler {
	return &wrapped{cache: c, next: next, responses: &c.responses, seed: maphash.MakeSeed()}
}
