package proxy

import (
	"slices"
	"strings"
)

// A segmentIndex tells which patterns of a list can match a path, by the path's first segment.
type segmentIndex struct {
	fold    bool
	forms   bool // patterns are in ReadingMatcher: a segment may go on with .json or .rsc, or stand below /_next/data
	all     []int32
	general []int32            // patterns whose first segment is not fixed
	fixed   map[string][]int32 // by first segment: those, and those of the segment, in order
}

// maxSegment is the longest first segment that the index knows, so that folding its case needs no memory.
const maxSegment = 48

func newSegmentIndex(patterns []string, fold, forms bool) segmentIndex {
	x := segmentIndex{fold: fold, forms: forms, fixed: make(map[string][]int32)}
	segments := make([]string, len(patterns))
	for i, p := range patterns {
		x.all = append(x.all, int32(i))
		s, ok := fixedSegment(p)
		if ok && fold {
			s = strings.ToLower(s)
		}
		if segments[i] = s; !ok {
			x.general = append(x.general, int32(i))
			continue
		}
		x.fixed[s] = nil
	}
	for s := range x.fixed {
		for i := range patterns {
			if segments[i] == s || slices.Contains(x.general, int32(i)) {
				x.fixed[s] = append(x.fixed[s], int32(i))
			}
		}
	}
	return x
}

// fixedSegment returns the first segment of a pattern if it is the same in every path that matches: letters, digits, "-" and
// "_", up to a slash or the end. The dot ends it as well in candidates, and is left out for that.
func fixedSegment(pattern string) (string, bool) {
	pattern, ok := strings.CutPrefix(pattern, "/")
	end := strings.IndexByte(pattern, '/')
	if end < 0 {
		end = len(pattern)
	}
	s := pattern[:end]
	if !ok || s == "" || len(s) > maxSegment {
		return "", false
	}
	for i := range len(s) {
		if c := s[i]; !isPchar(c) || strings.IndexByte(".~!$&'()*+,;=:@", c) >= 0 {
			return "", false
		}
	}
	return s, true
}

// candidates returns the indexes of the patterns that can match path, in order. It does not allocate.
func (x *segmentIndex) candidates(path string) []int32 {
	if len(x.fixed) == 0 {
		return x.general
	}
	// The segment ends at a slash, and for the forms of a page at a dot.
	end, upper := 1, false
	for ; end < len(path) && path[end] != '/'; end++ {
		switch c := path[end]; {
		case 'A' <= c && c <= 'Z':
			upper = true
		case c == '.' && x.forms:
			return x.listOf(path[1:end], upper)
		}
	}
	if end > len(path) {
		return x.general
	}
	if x.forms && strings.EqualFold(path[1:end], "_next") {
		return x.all
	}
	return x.listOf(path[1:end], upper)
}

func (x *segmentIndex) listOf(segment string, upper bool) []int32 {
	if len(segment) > maxSegment {
		return x.general
	}
	var list []int32
	var ok bool
	if upper && x.fold {
		var folded [maxSegment]byte
		for i := range len(segment) {
			c := segment[i]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			folded[i] = c
		}
		list, ok = x.fixed[string(folded[:len(segment)])]
	} else {
		list, ok = x.fixed[segment]
	}
	if !ok {
		return x.general
	}
	return list
}
