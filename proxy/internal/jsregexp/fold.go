package jsregexp

import "unicode"

// canonical returns the unit that u, which is above ASCII, is compared by when letters of either case match: ECMA-262,
// section 22.2.2.7.3, for expressions without the u flag. A unit that would fold to several units, or into ASCII, stays as
// it is; so the long s is no s and the Kelvin sign no k.
func canonical(u uint16) uint16 {
	upper := unicode.ToUpper(rune(u))
	if upper < 0x80 || upper > 0xFFFF || expandsToSeveral(u) {
		return u
	}
	return uint16(upper)
}

// expandsToSeveral says whether the full upper case of u has several units although it has a simple one of one unit:
// the Greek letters with a subscript iota (SpecialCasing.txt).
func expandsToSeveral(u uint16) bool {
	return u >= 0x1F80 && u <= 0x1FAF && u&8 == 0 || u == 0x1FB3 || u == 0x1FC3 || u == 0x1FF3
}

// hasVariant reports whether list holds a unit above ASCII, other than u, that is equal to it when letters of either case match.
func hasVariant(list []interval, u uint16) bool {
	want := canonical(u)
	for r := unicode.SimpleFold(rune(u)); r != rune(u); r = unicode.SimpleFold(r) {
		if r >= 0x80 && r <= 0xFFFF && canonical(uint16(r)) == want && inIntervals(list, uint16(r)) {
			return true
		}
	}
	return false
}
