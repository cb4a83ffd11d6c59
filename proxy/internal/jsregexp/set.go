package jsregexp

import "slices"

// interval is a run of code units, both ends included.
type interval struct{ lo, hi uint16 }

// set is a set of code units: a bitmap for ASCII, intervals for the rest.
type set struct {
	ascii   [2]uint64
	wide    []interval // sorted, disjoint, above ASCII
	folds   bool       // wide holds any variant of its members as well
	negated bool       // of wide; ascii has it worked in
}

var (
	digits     = []interval{{'0', '9'}}
	wordUnits  = []interval{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}
	lineBreaks = []interval{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}
	spaces     = []interval{{'\t', '\r'}, {' ', ' '}, {0xA0, 0xA0}, {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}}
)

// newSet returns the set of the units in list, or of all others.
func newSet(list []interval, folds, negated bool) *set {
	s := &set{folds: folds, negated: negated}
	for _, r := range normalise(list) {
		for u := r.lo; u < 0x80 && u <= r.hi; u++ {
			s.add(u)
			if folds && (u|0x20) >= 'a' && (u|0x20) <= 'z' {
				s.add(u ^ 0x20)
			}
		}
		if r.hi >= 0x80 {
			s.wide = append(s.wide, interval{max(r.lo, 0x80), r.hi})
		}
	}
	if negated {
		s.ascii[0], s.ascii[1] = ^s.ascii[0], ^s.ascii[1]
	}
	return s
}

func (s *set) add(u uint16) { s.ascii[u>>6] |= 1 << (u & 63) }

// has reports whether u is in the set.
func (s *set) has(u uint16) bool {
	if u < 0x80 {
		return s.ascii[u>>6]>>(u&63)&1 != 0
	}
	return s.hasWide(u) != s.negated
}

func (s *set) hasWide(u uint16) bool {
	return inIntervals(s.wide, u) || s.folds && len(s.wide) > 0 && hasVariant(s.wide, u)
}

func inIntervals(list []interval, u uint16) bool {
	_, found := slices.BinarySearchFunc(list, u, func(r interval, u uint16) int {
		switch {
		case r.hi < u:
			return -1
		case r.lo > u:
			return 1
		}
		return 0
	})
	return found
}

// single returns the only unit of the set, if it has but one and that is ASCII.
func (s *set) single() (byte, bool) {
	if len(s.wide) > 0 || s.negated {
		return 0, false
	}
	found := -1
	for u := range uint16(0x80) {
		if s.has(u) {
			if found >= 0 {
				return 0, false
			}
			found = int(u)
		}
	}
	return byte(max(found, 0)), found >= 0
}

// letter returns the only unit of the set, or the lower case of the two that it has when it folds.
func (s *set) letter() (byte, bool) {
	if c, ok := s.single(); ok {
		return c, true
	}
	for c := uint16('a'); s.folds && c <= 'z'; c++ {
		if s.has(c) {
			without := set{ascii: s.ascii, wide: s.wide, negated: s.negated}
			without.ascii[1] &^= 1 << (c &^ 0x20 & 63)
			b, ok := without.single()
			return b, ok && s.has(c&^0x20)
		}
	}
	return 0, false
}

// normalise returns list sorted, with overlapping and adjoining intervals joined.
func normalise(list []interval) []interval {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b interval) int { return int(a.lo) - int(b.lo) })
	out := list[:0]
	for _, r := range list {
		if n := len(out); n > 0 && int(r.lo) <= int(out[n-1].hi)+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
			continue
		}
		out = append(out, r)
	}
	return out
}

// complement returns the units that are not in list.
func complement(list []interval) []interval {
	var out []interval
	next := 0
	for _, r := range normalise(list) {
		if int(r.lo) > next {
			out = append(out, interval{uint16(next), r.lo - 1})
		}
		next = int(r.hi) + 1
	}
	if next <= 0xFFFF {
		out = append(out, interval{uint16(next), 0xFFFF})
	}
	return out
}
