package revalidate

import (
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// Forever is a life without end: an entry that stays until it is invalidated or makes room. No life or window is longer.
const Forever = 100 * 365 * 24 * time.Hour

// A Life says how long an entry is good, in the three numbers of Next.js's cacheLife.
type Life struct {
	// Stale is how long a client may use what it got without asking again. It does not concern this cache; it is
	// the max-age of [Life.CacheControl]. Zero means the client asks each time.
	Stale time.Duration
	// Revalidate is how long an entry is fresh. After it, the next read is still answered at once and begins a
	// refresh in the background. Must be positive.
	Revalidate time.Duration
	// Expire is how long an entry is served at all. After it, the next read waits for fresh data. It must be at
	// least Revalidate; equal means that nothing stale is ever served. Zero means [Forever].
	Expire time.Duration
}

// CacheControl returns the value of a Cache-Control field that gives a response this life: max-age for clients,
// s-maxage and stale-while-revalidate (RFC 5861) for shared caches such as [Cache.Wrap].
func (l Life) CacheControl() string {
	b := make([]byte, 0, 64)
	b = append(b, "max-age="...)
	b = strconv.AppendInt(b, int64(l.Stale/time.Second), 10)
	b = append(b, ", s-maxage="...)
	b = strconv.AppendInt(b, int64(l.Revalidate/time.Second), 10)
	if window := l.expire() - l.Revalidate; window >= time.Second {
		b = append(b, ", stale-while-revalidate="...)
		b = strconv.AppendInt(b, min(int64(window/time.Second), maxDelta), 10)
	}
	return string(b)
}

func (l Life) expire() time.Duration {
	if l.Expire == 0 {
		return Forever
	}
	return l.Expire
}

func (l Life) check(c *invalid.Config, field string) {
	if l.Stale < 0 {
		c.Field(field+".Stale", l.Stale, "must not be negative")
	}
	if l.Revalidate <= 0 {
		c.Field(field+".Revalidate", l.Revalidate, "must be positive")
	}
	if l.Expire != 0 && l.Expire < l.Revalidate {
		c.Field(field+".Expire", l.Expire, "must be zero or at least Revalidate")
	}
	if l.Revalidate > Forever || l.Expire > Forever || l.Stale > Forever {
		c.Field(field, l, "must not be longer than Forever")
	}
}

// Profiles returns the lives that every cache knows by name, with the names and numbers of Next.js 16: "default",
// "seconds", "minutes", "hours", "days", "weeks" and "max". The caller owns the map.
func Profiles() map[string]Life {
	const day = 24 * time.Hour
	return map[string]Life{
		"default": {Stale: 5 * time.Minute, Revalidate: 15 * time.Minute, Expire: Forever},
		"seconds": {Stale: 30 * time.Second, Revalidate: time.Second, Expire: time.Minute},
		"minutes": {Stale: 5 * time.Minute, Revalidate: time.Minute, Expire: time.Hour},
		"hours":   {Stale: 5 * time.Minute, Revalidate: time.Hour, Expire: day},
		"days":    {Stale: 5 * time.Minute, Revalidate: day, Expire: 7 * day},
		"weeks":   {Stale: 5 * time.Minute, Revalidate: 7 * day, Expire: 30 * day},
		"max":     {Stale: 5 * time.Minute, Revalidate: 30 * day, Expire: 365 * day},
	}
}
