package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// visible spells out what cannot be seen, or changes how the text around it is read: control characters, marks that change the
// direction or have no width, and bytes that are not UTF-8. An outsider's text then looks like what it is.
func visible(s string) string { return spell(s, false) }

// visibleLines is visible for text that may have lines.
func visibleLines(s string) string { return spell(s, true) }

func spell(s string, lines bool) string {
	plain := true
	for _, c := range s {
		if odd(c, lines) {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, s[i])
		case c == '\r' && lines && strings.HasPrefix(s[i+1:], "\n"): // one line end
		case odd(c, lines) && c < 0x80:
			fmt.Fprintf(&out, `\x%02x`, c)
		case odd(c, lines):
			fmt.Fprintf(&out, `\u{%x}`, c)
		default:
			out.WriteString(s[i : i+size])
		}
		i += size
	}
	return out.String()
}

func odd(c rune, lines bool) bool {
	if lines && (c == '\n' || c == '\t') {
		return false
	}
	return c == utf8.RuneError || c == '\u2028' || c == '\u2029' || unicode.In(c, unicode.Cc, unicode.Cf)
}

// short cuts s to at most n bytes, at a character.
func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// age writes a duration as people say it: two units at most.
func age(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return units(d, time.Minute, "min", time.Second, "s")
	case d < 24*time.Hour:
		return units(d, time.Hour, "h", time.Minute, "min")
	}
	return units(d, 24*time.Hour, "d", time.Hour, "h")
}

func units(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	text := strconv.FormatInt(int64(d/large), 10) + " " + largeName
	if rest := d % large / small; rest > 0 && d/large < 10 {
		text += " " + strconv.FormatInt(int64(rest), 10) + " " + smallName
	}
	return text
}

// count writes n with a thin space between thousands.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var out strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			out.WriteRune('\u202f')
		}
		out.WriteRune(c)
	}
	return out.String()
}

// size writes a number of bytes.
func size(n int) string {
	switch {
	case n < 1<<10:
		return strconv.Itoa(n) + " B"
	case n < 1<<20:
		return strconv.FormatFloat(float64(n)/(1<<10), 'f', 1, 64) + " KiB"
	}
	return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
}

// A moment is a point of time as a page shows it.
type moment struct {
	Exact string // for the datetime attribute
	Text  string // in UTC
	Ago   string // or how far it is ahead
}

// at returns the moment of t, or nil where t is zero.
func at(t, now time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	m := moment{Exact: t.UTC().Format(time.RFC3339Nano), Text: t.UTC().Format("2006-01-02 15:04:05.000")}
	if d := now.Sub(t); d >= 0 {
		m.Ago = age(d) + " ago"
	} else {
		m.Ago = "in " + age(-d)
	}
	return &m
}
