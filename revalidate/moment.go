package revalidate

import (
	"strconv"
	"time"
)

// A moment is what hits of one response say in one second. They share the texts: a response that is asked for often is written of once a
// second.
type moment struct {
	prefix  string // of the cache that says it: several may share a store
	seconds int64  // since the age was 0
	left    int64  // seconds until the response is stale

	age, status string // values of Age and Cache-Status
}

// hit returns what a hit says now.
func (h *wrapped) hit(e *Entry, v *response, now int64) *moment {
	prefix := h.responses.hitPrefix
	age, left := v.age(now), (e.fresh-now)/int64(time.Second)
	m := v.moment.Load()
	if m == nil || m.seconds != age || m.left != left || m.prefix != prefix {
		m = &moment{prefix: prefix, seconds: age, left: left, age: strconv.FormatInt(age, 10)}
		if prefix != "" {
			m.status = prefix + strconv.FormatInt(left, 10)
		}
		v.moment.Store(m)
	}
	return m
}

// age returns the age of the response in seconds.
func (v *response) age(now int64) int64 { return max(0, now-v.born) / int64(time.Second) }
