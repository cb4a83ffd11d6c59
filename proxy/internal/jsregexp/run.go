package jsregexp

// Verdict is what a table says of a byte.
type Verdict byte

const (
	// Out is a byte that is no part of a run.
	Out Verdict = iota
	// In is a byte that is.
	In
	// Unsure is a byte that is part of a unit on which the table cannot tell.
	Unsure
)

// A Run is an expression that only says which units a value has, before which it may say how it must not begin: [^/]+?,
// \d{1,} or (?!api|static).*. Or it is a choice of words: en|fr. Such a value is matched byte by byte, without a machine.
type Run struct {
	// Words are those of a choice, in lower case where case does not matter; Bytes has nothing then.
	Words []string
	Bytes [256]Verdict
	Empty bool // may have no unit
	Lazy  bool // takes as few units as it can
	not   []*forms
}

// NewRun returns the run that expr describes, or nil when it says more than a run can.
func NewRun(expr string, insensitive bool) *Run {
	n, p, err := parse(expr, insensitive)
	if err != nil {
		return nil
	}
	r := new(Run)
	if r.Words = words(n); r.Words != nil && p.groups == 0 {
		return r
	}
	if n.kind != nodeConcat || len(n.subs) == 0 {
		return nil
	}
	last := n.subs[len(n.subs)-1]
	for _, look := range n.subs[:len(n.subs)-1] {
		if look.kind != nodeLook || !look.negated {
			return nil
		}
		f := newForms(look.subs[0])
		if f == nil {
			return nil
		}
		r.not = append(r.not, f)
	}
	if last.kind != nodeRepeat || last.min > 1 || last.max >= 0 || last.subs[0].kind != nodeSet {
		return nil
	}
	r.Empty, r.Lazy = last.min == 0, last.lazy
	r.Bytes = last.subs[0].set.table()
	return r
}

// words returns the words that a choice of words takes, or nil for another expression.
func words(n *node) []string {
	var out []string
	for _, l := range expand([]linear{{}}, n) {
		word := make([]byte, len(l.head))
		for i, s := range l.head {
			c, ok := s.letter()
			if !ok {
				return nil
			}
			word[i] = c
		}
		if len(word) == 0 || l.gap != nil || l.end || len(l.not) > 0 {
			return nil
		}
		out = append(out, string(word))
	}
	return out
}

// Guarded says whether the run says how it must not begin.
func (r *Run) Guarded() bool { return len(r.not) > 0 }

// Excludes reports whether text, to the end of the input, begins as the run must not. It is not decided where text has
// other units than printable ASCII.
func (r *Run) Excludes(text string) (excluded, decided bool) {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false, false
		}
	}
	for _, f := range r.not {
		if f.match(text) {
			return true, true
		}
	}
	return false, true
}

// table returns what the set says of each byte of UTF-8. A lead byte stands for all of the units that it can begin.
func (s *set) table() [256]Verdict {
	var t [256]Verdict
	for u := range uint16(0x80) {
		if s.has(u) {
			t[u] = In
		}
	}
	// Bytes that are not UTF-8 stand for U+FFFD, and so does a lead byte without the bytes that should follow it.
	invalid := s.block(0xFFFD, 0xFFFD)
	lead := func(b int, lo, hi uint16) {
		if t[b] = s.block(lo, hi); t[b] != invalid {
			t[b] = Unsure
		}
	}
	for b := 0xC2; b < 0xE0; b++ {
		lead(b, uint16(b&0x1F)<<6, uint16(b&0x1F)<<6|0x3F)
	}
	for b := 0xE0; b < 0xF0; b++ {
		lead(b, max(uint16(b&0xF)<<12, 0x800), uint16(b&0xF)<<12|0xFFF)
	}
	for b := 0xF0; b < 0xF5; b++ {
		lead(b, 0xD800, 0xDFFF) // a pair of surrogates
	}
	// The bytes that follow a lead byte are what it was.
	if invalid == Out {
		invalid = Unsure
	}
	for b := 0x80; b < 0x100; b++ {
		if b < 0xC2 || b >= 0xF5 {
			t[b] = invalid
		}
	}
	return t
}

// block says whether all of the units from lo to hi, above ASCII, are in the set, or none of them.
func (s *set) block(lo, hi uint16) Verdict {
	in, out := In, Out
	if s.negated {
		in, out = out, in
	}
	touched := false
	for _, r := range s.wide {
		if r.lo <= lo && hi <= r.hi {
			return in
		}
		touched = touched || r.lo <= hi && lo <= r.hi
	}
	if touched || s.folds && len(s.wide) > 0 {
		return Unsure
	}
	return out
}
