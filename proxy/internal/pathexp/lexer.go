// Package pathexp reads the path pattern language of path-to-regexp 6.3 and turns a pattern into the source of a regular expression.
package pathexp

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An Error says where a pattern breaks which rule of the language.
type Error struct {
	Pos  int    // byte offset in the pattern
	Rule string // what is wrong, such as "a group is not closed"
}

// Error names the place and the rule.
func (e *Error) Error() string { return fmt.Sprintf("at %d: %s", e.Pos, e.Rule) }

// kind is the kind of a lexeme.
type kind byte

const (
	kindChar     kind = iota // one character of text
	kindEscaped              // a character after a backslash; empty at the end of the pattern
	kindName                 // a parameter name, without its colon
	kindPattern              // the inside of a (group)
	kindModifier             // ? * or +
	kindOpen                 // {
	kindClose                // }
	kindEnd
)

// lexeme is one unit of a pattern: its text and where in the pattern that text begins.
type lexeme struct {
	kind kind
	text string
	pos  int // of the lexeme
	body int // of text
}

func (l lexeme) describe() string {
	switch l.kind {
	case kindEnd:
		return "the end of the pattern"
	case kindPattern:
		return fmt.Sprintf("the group (%s)", l.text)
	case kindName:
		return "the parameter :" + l.text
	default:
		return strconv.Quote(l.text)
	}
}

// lex splits a pattern into lexemes, the last of which is kindEnd.
func lex(pattern string) ([]lexeme, error) {
	out := make([]lexeme, 0, len(pattern)+1)
	for i := 0; i < len(pattern); {
		switch c := pattern[i]; c {
		case '*', '+', '?':
			out = append(out, lexeme{kindModifier, pattern[i : i+1], i, i})
			i++
		case '{':
			out = append(out, lexeme{kindOpen, "{", i, i})
			i++
		case '}':
			out = append(out, lexeme{kindClose, "}", i, i})
			i++
		case '\\':
			_, n := utf8.DecodeRuneInString(pattern[i+1:])
			out = append(out, lexeme{kindEscaped, pattern[i+1 : i+1+n], i, i + 1})
			i += 1 + n
		case ':':
			end := i + 1
			for end < len(pattern) && isNameByte(pattern[end]) {
				end++
			}
			if end == i+1 {
				return nil, &Error{i, "a colon needs a parameter name of letters, digits and underscores after it (write \\: for a colon)"}
			}
			out = append(out, lexeme{kindName, pattern[i+1 : end], i, i + 1})
			i = end
		case '(':
			end, err := groupEnd(pattern, i)
			if err != nil {
				return nil, err
			}
			out = append(out, lexeme{kindPattern, pattern[i+1 : end], i, i + 1})
			i = end + 1
		default:
			_, n := utf8.DecodeRuneInString(pattern[i:])
			out = append(out, lexeme{kindChar, pattern[i : i+n], i, i})
			i += n
		}
	}
	return append(out, lexeme{kindEnd, "", len(pattern), len(pattern)}), nil
}

// groupEnd returns the offset of the parenthesis that closes the one at open. Parentheses are counted, also inside a
// character class, and only an escape hides one.
func groupEnd(pattern string, open int) (int, error) {
	if strings.HasPrefix(pattern[open+1:], "?") {
		return 0, &Error{open + 1, "a group cannot begin with ?"}
	}
	depth := 1
	for i := open + 1; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '(':
			depth++
			if !strings.HasPrefix(pattern[i+1:], "?") {
				return 0, &Error{i, "a capturing group inside a group is not allowed (write (?:...))"}
			}
		case ')':
			if depth--; depth > 0 {
				continue
			}
			if i == open+1 {
				return 0, &Error{open, "a group is empty"}
			}
			return i, nil
		}
	}
	return 0, &Error{open, "a group is not closed"}
}

func isNameByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_'
}
