package jsregexp

import (
	"unicode/utf16"
	"unicode/utf8"
)

// input is the text that a program runs over, unit by unit.
type input struct {
	text  string   // where it is ASCII
	wide  []uint16 // otherwise its code units
	bytes []int    // and the byte at which each of them begins
	n     int      // units
}

// read takes the input: as it is where it is ASCII, as code units where it is not.
func (in *input) read(s string) {
	in.text, in.n, in.wide, in.bytes = s, len(s), in.wide[:0], in.bytes[:0]
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	if ascii {
		return
	}
	for i, r := range s {
		in.wide = utf16.AppendRune(in.wide, r)
		if in.bytes = append(in.bytes, i); len(in.bytes) < len(in.wide) {
			in.bytes = append(in.bytes, i+2) // the second half of a surrogate pair
		}
	}
	in.bytes = append(in.bytes, len(s))
	in.n = len(in.wide)
}

// at returns the unit at a position before the end.
func (in *input) at(pos int) uint16 {
	if len(in.wide) > 0 {
		return in.wide[pos]
	}
	return uint16(in.text[pos])
}

// isWord says whether there is a word unit at pos, which may lie outside of the input.
func (in *input) isWord(pos int) bool {
	if pos < 0 || pos >= in.n {
		return false
	}
	u := in.at(pos)
	return u >= '0' && u <= '9' || u >= 'a' && u <= 'z' || u >= 'A' && u <= 'Z' || u == '_'
}
