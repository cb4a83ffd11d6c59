// Package jsregexp matches the regular expressions of JavaScript, without its u and v flags, in time linear in the input.
//
// The language is that of ECMA-262, section 22.2 and annex B.1.2: text is a sequence of UTF-16 code units, letters fold by
// toUppercase of single units, groups inside a repetition are reset at each turn, lookahead is atomic. Backreferences and
// lookbehind are refused, because they cannot be answered in linear time.
//
// The matcher backtracks, in JavaScript's order of preference, but enters each pair of instruction and position once: a
// pair that was left without a match will not match the next time either, since nothing but instruction and position
// decides. Instruction counts are therefore bounded by program size times input length.
package jsregexp
