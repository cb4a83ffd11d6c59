package revalidate

import (
	"net/http"
	"strings"
	"time"
)

// Dates outside these years are taken for their edge: the difference of any two within, in nanoseconds, fits an int64.
const (
	firstYear = 1900
	lastYear  = 2170
)

// httpDate reads a date field (RFC 9110, section 5.6.7), the first line of several, in nanoseconds since 1970. Unlike
// [http.ParseTime] it takes no date that is spelt otherwise than the grammar says, for what is not a date must not make a
// response fresh. Letters may be of either case, and nobody checks that the day of the week is right.
func httpDate(lines []string) (int64, bool) {
	if len(lines) == 0 {
		return 0, false
	}
	s := lines[0]
	if n := len(s) - 3; n > 0 && strings.EqualFold(s[n:], "GMT") {
		s = s[:n] + "GMT"
	}
	t, ok := parseDate(http.TimeFormat, s)
	if !ok {
		if t, ok = parseDate("Monday, 02-Jan-06 15:04:05 GMT", s); ok {
			t = nearCentury(t)
		} else if t, ok = parseDate(time.ANSIC, s); !ok {
			return 0, false
		}
	}
	switch year := t.Year(); {
	case year < firstYear:
		t = time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC)
	case year > lastYear:
		t = time.Date(lastYear, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t.UnixNano(), true
}

// parseDate is [time.Parse] for dates that are spelt as layout spells them, but for the day of the week.
func parseDate(layout, s string) (time.Time, bool) {
	t, err := time.Parse(layout, s)
	if err != nil {
		return t, false
	}
	return t, strings.EqualFold(afterWeekday(t.Format(layout)), afterWeekday(s))
}

func afterWeekday(s string) string { return s[strings.IndexAny(s, ", "):] }

// nearCentury reads two digits of a year as the latest year that is at most 50 years from now.
func nearCentury(t time.Time) time.Time {
	limit := time.Now().AddDate(50, 0, 0)
	for t.After(limit) {
		t = t.AddDate(-100, 0, 0)
	}
	for later := t.AddDate(100, 0, 0); !later.After(limit); later = t.AddDate(100, 0, 0) {
		t = later
	}
	return t
}
