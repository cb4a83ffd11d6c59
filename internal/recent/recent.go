// Package recent remembers what happened lately in maps that a flood of keys cannot grow.
package recent

import "time"

// Set sets m[key], a time until which it counts, and keeps m within most entries: of a few met at random, those that have passed go, else
// the one that passes first. A flood of fresh keys so pushes out its own before those that count for long.
func Set[K comparable](m map[K]time.Duration, most int, key K, until, now time.Duration) {
	if _, known := m[key]; !known && len(m) >= most {
		var oldest K
		first := time.Duration(1<<63 - 1)
		looked := 0
		for k, end := range m {
			if end <= now {
				delete(m, k)
			} else if end < first {
				oldest, first = k, end
			}
			if looked++; looked == 16 {
				break
			}
		}
		if len(m) >= most {
			delete(m, oldest)
		}
	}
	m[key] = until
}
