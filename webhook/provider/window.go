package provider

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// TimeFormat is how a provider writes a signed time.
type TimeFormat uint8

// Formats of a signed time.
const (
	UnixSeconds TimeFormat = iota // decimal seconds since 1970
	UnixMillis                    // decimal milliseconds since 1970
	RFC3339                       // such as 2026-11-24T06:00:00Z
	timeFormats
)

// maxSeconds is the end of the year 9999, the last that RFC 3339 can write.
const maxSeconds = 253402300799

// parse reads text. A sign, a space, a fraction of a Unix time, a zero before it, an overflow and every other text are errors.
func (f TimeFormat) parse(text string) (time.Time, error) {
	if f == RFC3339 {
		return parseDate(text)
	}
	return parseUnix(f, text)
}

// parseRaw reads a JSON string or number as it is written.
func (f TimeFormat) parseRaw(raw []byte) (time.Time, error) {
	quoted := len(raw) > 1 && raw[0] == '"' && raw[len(raw)-1] == '"'
	switch {
	case f == RFC3339 && (!quoted || bytes.IndexByte(raw, '\\') >= 0):
		return f.parse(text(raw))
	case f == RFC3339:
		return parseDate(raw[1 : len(raw)-1])
	case quoted:
		raw = raw[1 : len(raw)-1]
	}
	return parseUnix(f, raw)
}

// parseUnix reads plain digits, as every language writes a number: without a zero before them. (Two spellings of one time would be two
// signatures of one event.)
func parseUnix[T string | []byte](f TimeFormat, text T) (time.Time, error) {
	limit := int64(maxSeconds)
	if f == UnixMillis {
		limit = maxSeconds*1000 + 999
	}
	if len(text) == 0 || len(text) > 1 && text[0] == '0' {
		return time.Time{}, webhook.ErrTimestamp
	}
	var n int64
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' {
			return time.Time{}, webhook.ErrTimestamp
		}
		n = n*10 + int64(c-'0')
		if n > limit {
			return time.Time{}, webhook.ErrTimestamp
		}
	}
	if f == UnixMillis {
		return time.UnixMilli(n), nil
	}
	return time.Unix(n, 0), nil
}

// format writes t.
func (f TimeFormat) format(t time.Time) string {
	switch f {
	case UnixMillis:
		return strconv.FormatInt(t.UnixMilli(), 10)
	case RFC3339:
		return t.UTC().Format(time.RFC3339)
	default:
		return strconv.FormatInt(t.Unix(), 10)
	}
}

// defaultTolerance is what most providers' libraries allow.
const defaultTolerance = 5 * time.Minute

// window is how far a signed time may lie from the receiver's clock, both ways. Zero bounds nothing.
type window time.Duration

func newWindow(s webhook.Setup, own time.Duration) window {
	switch {
	case s.InsecureAnyAge:
		return 0
	case s.Tolerance > 0:
		return window(s.Tolerance)
	default:
		return window(own)
	}
}

// check refuses a time outside w. A time exactly at its edge is inside.
func (w window) check(sent, now time.Time) error {
	if w == 0 {
		return nil
	}
	age := now.Sub(sent) // saturates, so that the far past and future are refused too
	switch {
	case age > time.Duration(w):
		return fmt.Errorf("%w: by more than %v", webhook.ErrTooOld, time.Duration(w))
	case age < -time.Duration(w):
		return fmt.Errorf("%w: by more than %v", webhook.ErrTooNew, time.Duration(w))
	}
	return nil
}
