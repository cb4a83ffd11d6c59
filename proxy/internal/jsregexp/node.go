package jsregexp

import "fmt"

// An Error says where an expression breaks which rule.
type Error struct {
	Pos  int // byte offset in the expression
	Rule string
}

// Error names the place and the rule.
func (e *Error) Error() string { return fmt.Sprintf("at %d: %s", e.Pos, e.Rule) }

// nodeKind is the kind of a node of a parsed expression.
type nodeKind byte

const (
	nodeSet     nodeKind = iota // one code unit out of set
	nodeConcat                  // subs in order
	nodeAlt                     // one of subs, the first preferred
	nodeRepeat                  // subs[0], min to max times
	nodeGroup                   // subs[0], captured as group
	nodeLook                    // subs[0] ahead, nothing consumed
	nodeBegin                   // ^
	nodeEnd                     // $
	nodeWord                    // \b
	nodeNotWord                 // \B
)

// captures are the capture groups and the lookaheads with captures inside a node, as ranges of their numbers.
type captures struct{ firstGroup, endGroup, firstLook, endLook int }

// node is one node of a parsed expression.
type node struct {
	kind     nodeKind
	subs     []*node
	set      *set
	min, max int  // of a repeat; max is unbounded when negative
	lazy     bool // a repeat prefers fewer turns
	negated  bool // a negative lookahead
	group    int
	look     int // the number of a lookahead with captures, from 1; 0 for any other node
	inside   captures
}

// nullable says whether the node can match without consuming anything.
func (n *node) nullable() bool {
	switch n.kind {
	case nodeSet:
		return false
	case nodeConcat:
		for _, s := range n.subs {
			if !s.nullable() {
				return false
			}
		}
		return true
	case nodeAlt:
		for _, s := range n.subs {
			if s.nullable() {
				return true
			}
		}
		return false
	case nodeRepeat:
		return n.min == 0 || n.subs[0].nullable()
	case nodeGroup:
		return n.subs[0].nullable()
	default:
		return true
	}
}

// always marks the groups that take part in every match of the node.
func (n *node) always(groups []bool) {
	switch n.kind {
	case nodeGroup:
		groups[n.group-1] = true
	case nodeAlt:
		return
	case nodeRepeat:
		if n.min == 0 {
			return
		}
	case nodeLook:
		if n.negated {
			return
		}
	default:
	}
	for _, s := range n.subs {
		s.always(groups)
	}
}
