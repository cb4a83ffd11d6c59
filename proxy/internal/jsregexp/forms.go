package jsregexp

import "slices"

// forms are the ways in which the body of a negative lookahead can match, when it is a choice of beginnings, ends and
// contents of the text: api, favicon\.ico$, .*\.(?:png|jpe?g)$ or [^?]*\.(?:css|js(?!on)).
type forms struct {
	groups []formGroup
}

// formGroup holds the forms that have the same head, gap and first unit behind it, so that they are looked for at once.
type formGroup struct {
	head  []*set // the text begins with
	gap   *set   // then has any number of these
	every bool   // gap holds all of printable ASCII
	some  bool   // at least one of them
	first *set   // the first unit of every tail
	tails []tail
}

// tail is how a form ends.
type tail struct {
	units []*set
	end   bool     // of the text
	not   []*forms // what must not follow
}

// linear is a form while it is read.
type linear struct {
	head []*set
	gap  *set
	some bool
	tail
	open bool // has a gap after its tail, and can take nothing more
}

// maxForms bounds how many forms the alternatives of a lookahead may multiply to.
const maxForms = 64

func newForms(n *node) *forms {
	list := expand([]linear{{}}, n)
	if list == nil {
		return nil
	}
	f := new(forms)
	for _, l := range list {
		f.add(l)
	}
	return f
}

// expand continues each of the forms by what n can match. It returns nil where that is no form.
func expand(list []linear, n *node) []linear {
	var out []linear
	switch n.kind {
	case nodeConcat:
		out = list
		for _, s := range n.subs {
			if out = expand(out, s); out == nil {
				return nil
			}
		}
		return out
	case nodeGroup:
		return expand(list, n.subs[0])
	case nodeAlt:
		for _, s := range n.subs {
			more := expand(list, s)
			if more == nil || len(out)+len(more) > maxForms {
				return nil
			}
			out = append(out, more...)
		}
		return out
	case nodeRepeat:
		if n.max >= 0 {
			return expandCounts(list, n)
		}
	default:
	}
	for _, l := range list {
		if !l.extend(n) {
			return nil
		}
		out = append(out, l)
	}
	return out
}

// expandCounts writes a bounded repetition out.
func expandCounts(list []linear, n *node) []linear {
	var out []linear
	for count := 0; count <= n.max; count++ {
		if count >= n.min {
			if out = append(out, list...); len(out) > maxForms {
				return nil
			}
		}
		if count < n.max {
			if list = expand(list, n.subs[0]); list == nil {
				return nil
			}
		}
	}
	return out
}

// extend continues the form by one node, if that leaves it a form.
func (l *linear) extend(n *node) bool {
	if l.open || l.end || len(l.not) > 0 {
		// Behind the end nothing can follow, and behind an open end or a lookahead anything would have to be looked for.
		return l.open && !l.end && n.kind == nodeRepeat && n.min == 0
	}
	switch n.kind {
	case nodeSet:
		if l.gap == nil {
			l.head = append(slices.Clip(l.head), n.set)
		} else {
			l.units = append(slices.Clip(l.units), n.set)
		}
		return true
	case nodeEnd:
		l.end = true
		return true
	case nodeLook:
		f := newForms(n.subs[0])
		if f == nil || !n.negated || l.gap != nil && f.searches() {
			return false // to search behind each place of a search would take time with the square of the text
		}
		l.not = append(l.not, f)
		return true
	case nodeRepeat:
		sub := n.subs[0]
		if sub.kind != nodeSet || n.min > 1 {
			return false
		}
		if l.gap == nil {
			l.gap, l.some = sub.set, n.min > 0
			return true
		}
		// A second gap: any content can follow, which is none that has to be looked at if the first unit suffices.
		if n.min > 0 {
			l.units = append(slices.Clip(l.units), sub.set)
		}
		l.open = true
		return true
	default:
		return false
	}
}

// add puts a form into its group.
func (f *forms) add(l linear) {
	if len(l.not) > 0 && l.gap == nil {
		// What must not follow a beginning is judged there; a gap of nothing brings the two together.
		l.gap, l.units, l.head = emptySet(), l.head, nil
	}
	var first *set
	if len(l.units) > 0 {
		first = l.units[0]
	}
	for i := range f.groups {
		g := &f.groups[i]
		if g.gap != nil && g.gap == l.gap && g.some == l.some && g.first == first && sameSets(g.head, l.head) {
			g.tails = append(g.tails, l.tail)
			return
		}
	}
	g := formGroup{head: l.head, gap: l.gap, some: l.some, first: first, tails: []tail{l.tail}}
	if g.every = l.gap != nil; g.every {
		for u := uint16(' '); u <= '~'; u++ {
			g.every = g.every && l.gap.has(u)
		}
	}
	f.groups = append(f.groups, g)
}

// searches reports whether to match one of the forms looks further than it has units.
func (f *forms) searches() bool {
	for i := range f.groups {
		if f.groups[i].gap != nil {
			return true
		}
	}
	return false
}

func emptySet() *set { return newSet(nil, false, false) }

func sameSets(a, b []*set) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// match reports whether text, which is printable ASCII, has one of the forms.
func (f *forms) match(text string) bool {
	for i := range f.groups {
		if f.groups[i].match(text) {
			return true
		}
	}
	return false
}

func (g *formGroup) match(text string) bool {
	if !begins(text, g.head) {
		return false
	}
	at := len(g.head)
	if g.gap == nil {
		return g.tails[0].match(text, at)
	}
	if g.some {
		if at == len(text) || !g.gap.has(uint16(text[at])) {
			return false
		}
		at++
	}
	for ; ; at++ {
		if g.first == nil || at < len(text) && g.first.has(uint16(text[at])) {
			for i := range g.tails {
				if g.tails[i].match(text, at) {
					return true
				}
			}
		}
		if at >= len(text) || !g.every && !g.gap.has(uint16(text[at])) {
			return false
		}
	}
}

func (t *tail) match(text string, at int) bool {
	if !begins(text[at:], t.units) {
		return false
	}
	at += len(t.units)
	if t.end && at != len(text) {
		return false
	}
	for _, f := range t.not {
		if f.match(text[at:]) {
			return false
		}
	}
	return true
}

func begins(text string, units []*set) bool {
	if len(text) < len(units) {
		return false
	}
	for i, s := range units {
		if !s.has(uint16(text[i])) {
			return false
		}
	}
	return true
}
