package revalidate

import (
	"net/http"
	"strings"
	"time"
)

// A policy is what the cache may do with one response.
type policy struct {
	store bool  // keep it
	share bool  // give it to others who wait for it now: it is stored and fresh
	life  int64 // freshness lifetime, in nanoseconds
	age   int64 // age on arrival, in nanoseconds
	date  int64 // when it was made, in nanoseconds since 1970

	noCache        bool  // validate before each use
	mustRevalidate bool  // never serve it stale
	staleWhile     int64 // windows after the freshness lifetime, in nanoseconds
	staleIfError   int64
	explicit       bool // the response itself says how long it is fresh

	omit []string
}

// judge decides about a final response to a GET, which arrived now (RFC 9111, sections 3 and 4.2). asked is when its
// request was sent.
func (c *responses) judge(r *http.Request, status int, h http.Header, asked, now int64) policy {
	d := c.directives(h)
	p := policy{
		noCache: d.noCache, mustRevalidate: d.mustRevalidate,
		staleWhile:   seconds(d.staleWhileRevalidate),
		staleIfError: seconds(d.staleIfError),
		omit:         d.omit,
	}
	p.date = now
	if t, ok := httpDate(h["Date"]); ok {
		p.date = t
	}
	p.age = arrivalAge(h, p.date, asked, now)

	switch {
	case d.sharedMaxAge != absent:
		p.life, p.explicit = seconds(d.sharedMaxAge), true
		// s-maxage says proxy-revalidate too, but an origin that adds a window says where that ends.
		p.mustRevalidate = p.mustRevalidate || d.staleWhileRevalidate <= 0 && d.staleIfError <= 0
	case d.maxAge != absent:
		p.life, p.explicit = seconds(d.maxAge), true
	case !d.targeted && len(h["Expires"]) > 0:
		p.explicit = true
		if t, ok := httpDate(h["Expires"]); ok && len(h["Expires"]) == 1 {
			p.life = max(t-p.date, 0)
		}
	case c.heuristic && (heuristicStatus(status) || d.public):
		p.life = heuristicLife(h, p.date)
	}

	p.store = c.storable(r, status, h, &d, p.explicit || p.life > 0)
	p.share = p.store && !p.noCache && p.life > p.age
	return p
}

func (c *responses) storable(r *http.Request, status int, h http.Header, d *directives, hasLife bool) bool {
	switch {
	case status < 200 || status == http.StatusPartialContent || status == http.StatusNotModified || status >= 500:
		return false
	case d.mustUnderstand && !understood(status):
		return false
	case d.noStore && !d.mustUnderstand, d.private:
		return false
	case !hasLife && !d.public && !d.noCache:
		return false
	case len(r.Header["Authorization"]) > 0 && !d.public && !d.sharesAuthorized && d.sharedMaxAge == absent:
		return false // RFC 9111, section 3.5
	case len(h["Set-Cookie"]) > 0 && !c.storeSetCookie:
		return false
	case len(h["Content-Range"]) > 0 && status == http.StatusRequestedRangeNotSatisfiable, len(h["Trailer"]) > 0:
		return false
	}
	for name := range h { // trailers that the handler announces by a prefix
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return false
		}
	}
	return true
}

// directives returns those of the first targeted field that is a valid Dictionary with at least one member, else those of
// Cache-Control (RFC 9213, section 2.2).
func (c *responses) directives(h http.Header) directives {
	for _, name := range c.targets {
		if lines := h[name]; len(lines) > 0 {
			if d, ok := parseTargeted(lines); ok {
				return d
			}
		}
	}
	return parseCacheControl(h["Cache-Control"])
}

func parseTargeted(lines []string) (directives, bool) {
	members, ok := parseDictionary(lines)
	if !ok || len(members) == 0 {
		return directives{}, false
	}
	d := noDirectives()
	d.targeted = true
	for _, m := range members {
		switch m.key {
		case "max-age", "s-maxage", "stale-while-revalidate", "stale-if-error":
			if m.value.kind != sfInteger || m.value.num < 0 {
				return directives{}, false // a directive of the wrong type makes the field useless as a whole
			}
		}
		switch m.value.kind {
		case sfInteger:
			d.setSeconds(m.key, min(m.value.num, maxDelta))
			d.restrict(m.key)
		case sfTrue:
			d.set(m.key, "")
		case sfString:
			d.set(m.key, m.value.text)
		case sfFalse:
		case sfOther:
			d.restrict(m.key)
		}
	}
	return d, true
}

// restrict takes a directive with a value that it should not have for what it is without: what was meant to forbid must not allow.
func (d *directives) restrict(name string) {
	switch name {
	case "no-store", "no-cache", "private", "proxy-revalidate":
		d.set(name, "")
	case "must-revalidate":
		d.mustRevalidate = true
	}
}

func (d *directives) setSeconds(name string, n int64) {
	switch name {
	case "max-age":
		d.maxAge = n
	case "s-maxage":
		d.sharedMaxAge = n
	case "stale-while-revalidate":
		d.staleWhileRevalidate = n
	case "stale-if-error":
		d.staleIfError = n
	}
}

func seconds(n int64) int64 {
	if n == absent {
		return 0
	}
	return n * int64(time.Second)
}

// arrivalAge is corrected_initial_age (RFC 9111, section 4.2.3).
func arrivalAge(h http.Header, date, asked, now int64) int64 {
	apparent := max(0, now-date)
	if apparent < int64(time.Second) {
		apparent = 0 // Date has whole seconds: what was made in this second is new
	}
	var value int64
	if lines := h["Age"]; len(lines) > 0 {
		item, _ := cutItem(lines[0])
		value = seconds(deltaSeconds(item))
	}
	return max(apparent, value+now-asked)
}

// heuristicStatus tells the statuses that may be given a lifetime nobody stated (RFC 9110, section 15.1).
func heuristicStatus(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// heuristicLife is a tenth of the time since the last change, at most a day (RFC 9111, section 4.2.2).
func heuristicLife(h http.Header, date int64) int64 {
	modified, ok := httpDate(h["Last-Modified"])
	if !ok || modified >= date {
		return 0
	}
	return min((date-modified)/10, int64(24*time.Hour))
}

// understood tells the statuses whose caching rules are implemented here: the final ones of RFC 9110 that are stored.
func understood(status int) bool {
	return status != http.StatusPartialContent && status != http.StatusNotModified && http.StatusText(status) != ""
}
