package provider

import (
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// parseDate reads a date-time of RFC 3339, section 5.6, to the letter and without an allocation: [time.Parse] also takes an hour of one
// digit, a comma before the fraction, and an offset of a day or more. A leap second is refused, as there. Digits of a fraction beyond
// nanoseconds are dropped.
func parseDate[T string | []byte](text T) (time.Time, error) {
	const seconds = len("2006-01-02T15:04:05")
	if len(text) <= seconds || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' {
		return time.Time{}, webhook.ErrTimestamp
	}
	year, month, day := decimal(text[0:4], 9999), decimal(text[5:7], 12), decimal(text[8:10], 31)
	hour, minute, second := decimal(text[11:13], 23), decimal(text[14:16], 59), decimal(text[17:19], 59)
	nanoseconds, rest, ok := fraction(text[seconds:])
	offset, zoned := zone(rest)
	if !ok || !zoned || min(year, month-1, day-1, hour, minute, second) < 0 {
		return time.Time{}, webhook.ErrTimestamp
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanoseconds, time.UTC)
	if t.Day() != day { // such as 30 February
		return time.Time{}, webhook.ErrTimestamp
	}
	return t.Add(-offset), nil
}

// decimal returns the number that text is, which has digits alone and is at most limit; else -1.
func decimal[T string | []byte](text T, limit int) int {
	n := 0
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	if n > limit {
		return -1
	}
	return n
}

// fraction takes the fraction of a second off text, which may have none.
func fraction[T string | []byte](text T) (nanoseconds int, rest T, ok bool) {
	if text[0] != '.' {
		return 0, text, true
	}
	i := 1
	for unit := int(time.Second) / 10; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
		nanoseconds += int(text[i]-'0') * unit
		unit /= 10
	}
	return nanoseconds, text[i:], i > 1
}

// zone returns the offset from UTC that text is.
func zone[T string | []byte](text T) (offset time.Duration, ok bool) {
	if string(text) == "Z" {
		return 0, true
	}
	if len(text) != len("+00:00") || text[3] != ':' || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	hours, minutes := decimal(text[1:3], 23), decimal(text[4:6], 59)
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if text[0] == '-' {
		offset = -offset
	}
	return offset, min(hours, minutes) >= 0
}
