package jsregexp

import "unicode"

// canonical returns the unit that u is compared by when letters of either case match: ECMA-262, section 22.2.2.7.3, for
// expressions without the u flag. A unit that would fold to several units, or from outside of ASCII into it, stays as it is;
// so the long s is no s and the Kelvin sign no k.
func canonical(u uint16) uint16 {
	if u < 0x80 {
		if u >= 'a' && u <= 'z' {
			return u - 'a' + 'A'
		}
		return u
	}
	if expandsToSeveral(u) {
		return u
	}
	upper := unicode.ToUpper(rune(u))
	if upper < 0x80 || upper > 0xFFFF {
		return u
	}
	return uint16(upper)
}

// expandsToSeveral says whether the full upper case of u has several units although it has a simple one of one unit:
// the Greek letters with a subscript iota (SpecialCasing.txt).
func expandsToSeveral(u uint16) bool {
	return u >= 0x1F80 && u <= 0x1FAF && u&8 == 0 || u == 0x1FB3 || u == 0x1FC3 || u == 0x1FF3
}

// variants returns the units that are equal to u when letters of either case match, u among them.
func variants(u uint16) []uint16 {
	out := []uint16{u}
	want := canonical(u)
	for r := unicode.SimpleFold(rune(u)); r != rune(u); r = unicode.SimpleFold(r) {
		if r <= 0xFFFF && canonical(uint16(r)) == want {
			out = append(out, uint16(r))
		}
	}
	return out
}
