package callback

import "unicode/utf8"

// plain reports whether s has no byte that readers of URLs strip, replace or misread, and is UTF-8.
func plain(s string) bool {
	var seen uint8
	for i := range len(s) {
		seen |= classes[s[i]]
	}
	if seen&forbidden != 0 {
		return false
	}
	return seen&nonASCII == 0 || utf8.ValidString(s)
}

// Classes of a byte. The in… classes are the percent-encode sets of the WHATWG URL Standard, section 1.3.
const (
	forbidden uint8 = 1 << iota
	nonASCII
	inPath
	inQuery
	inFragment
)

var classes = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c <= ' ' || c == 0x7f || c == '\\':
			t[c] = forbidden
		case c >= utf8.RuneSelf:
			t[c] = nonASCII | inPath | inQuery | inFragment
		}
	}
	for _, c := range "\"<>" {
		t[c] |= inPath | inQuery | inFragment
	}
	t['`'] |= inPath | inFragment
	t['{'] |= inPath
	t['}'] |= inPath
	t['?'] |= inPath // reaches a path only through a base
	t['#'] |= inPath
	t['\''] |= inQuery // the set of special schemes
	return t
}()

// urlWriter writes a URL of at most MaxTarget bytes, resolving the dot segments of its path as they are completed. It lives on the
// stack of its user.
type urlWriter struct {
	buf     [MaxTarget]byte
	n       int  // bytes written
	full    bool // more was written than fits
	start   int  // where the path begins, at its slash
	segment int  // where the segment being written begins
}

func (u *urlWriter) put(c byte) {
	if u.n == len(u.buf) {
		u.full = true
		return
	}
	u.buf[u.n] = c
	u.n++
}

func (u *urlWriter) root() {
	u.start = u.n
	u.put('/')
	u.segment = u.n
}

// path appends part of a path; the last segment stays open.
func (u *urlWriter) path(s string) {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '/':
			u.endSegment(false)
		case classes[c]&inPath == 0:
			u.put(c)
		default:
			u.percent(c)
		}
	}
}

// endSegment completes the open segment: it stays, or as a dot segment takes itself or its predecessor away.
func (u *urlWriter) endSegment(last bool) {
	switch dots(u.buf[u.segment:u.n]) {
	case 1:
		u.n = u.segment
	case 2:
		end := max(u.segment-1, u.start) // before the slash that opened the segment
		for end > u.start && u.buf[end-1] != '/' {
			end--
		}
		u.n = max(end, u.start+1)
	default:
		if !last {
			u.put('/')
		}
	}
	u.segment = u.n
}

// escaped appends s with the bytes of a percent-encode set encoded.
func (u *urlWriter) escaped(s string, set uint8) {
	for i := range len(s) {
		if c := s[i]; classes[c]&set == 0 {
			u.put(c)
		} else {
			u.percent(c)
		}
	}
}

func (u *urlWriter) percent(c byte) {
	const hex = "0123456789ABCDEF"
	u.put('%')
	u.put(hex[c>>4])
	u.put(hex[c&15])
}

// dots returns 1 or 2 where segment is a single- or double-dot segment, each dot also in its encoded form, else 0.
func dots(segment []byte) int {
	if len(segment) == 0 || len(segment) > len("%2e%2e") {
		return 0
	}
	n := 0
	for len(segment) > 0 {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case len(segment) >= 3 && segment[0] == '%' && segment[1] == '2' && segment[2]|0x20 == 'e':
			segment = segment[3:]
		default:
			return 0
		}
		n++
	}
	if n > 2 {
		return 0
	}
	return n
}
