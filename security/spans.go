package security

import "strings"

// spans collects the places of a text that are to be replaced, in any order, and merges those that touch or overlap. The zero
// value has none.
type spans struct {
	list []span
}

// A span is the bytes [start, end) of a text.
type span struct{ start, end int }

// add notes [start, end). The list stays sorted and free of overlaps.
func (s *spans) add(start, end int) {
	if start >= end {
		return
	}
	at := len(s.list)
	for at > 0 && s.list[at-1].end >= start {
		at--
	}
	// s.list[at:] end at or after start; those that also begin at or before end melt into the new one.
	upto := at
	for upto < len(s.list) && s.list[upto].start <= end {
		start = min(start, s.list[upto].start)
		end = max(end, s.list[upto].end)
		upto++
	}
	if upto > at {
		s.list[at] = span{start, end}
		s.list = append(s.list[:at+1], s.list[upto:]...)
		return
	}
	s.list = append(s.list, span{})
	copy(s.list[at+1:], s.list[at:])
	s.list[at] = span{start, end}
}

// replace returns text with each span replaced, or text itself where there is none.
func (s *spans) replace(text string) string {
	if len(s.list) == 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + len(s.list)*len(redacted))
	from := 0
	for _, sp := range s.list {
		b.WriteString(text[from:sp.start])
		b.WriteString(redacted)
		from = sp.end
	}
	b.WriteString(text[from:])
	return b.String()
}
