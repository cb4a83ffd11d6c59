package pathexp

import (
	"fmt"
	"strconv"
	"strings"
)

// A Token is one piece of a parsed pattern: plain text, or a parameter, or a group without a parameter ({text}).
type Token struct {
	Text string // plain text; the fields below are then zero
	Pos  int    // where the token begins in the pattern

	Param    bool   // false for plain text
	Name     string // "0", "1" ... for an unnamed group; empty for a group that only holds text
	Unnamed  bool   // Name was counted and not written
	Prefix   string
	Suffix   string
	Pattern  string // the regular expression of the value; empty for a group that only holds text
	Modifier byte   // 0, '?', '*' or '+'

	patternPos int  // where Pattern begins in the pattern, or Pos when it is the default
	written    bool // Pattern was written and not the default
}

// Repeats says whether the parameter takes a list of values.
func (t Token) Repeats() bool { return t.Modifier == '*' || t.Modifier == '+' }

// Optional says whether the parameter may be absent.
func (t Token) Optional() bool { return t.Modifier == '*' || t.Modifier == '?' }

// Separator returns what stands between the values of a repeated parameter.
func (t Token) Separator() string { return t.Prefix + t.Suffix }

// String describes the token in words.
func (t Token) String() string {
	if !t.Param {
		return fmt.Sprintf("text %q", t.Text)
	}
	s := fmt.Sprintf("parameter %s = %s", t.Name, t.Pattern)
	switch {
	case t.Pattern == "":
		s = fmt.Sprintf("text %q", t.Prefix+t.Suffix)
	case t.Unnamed:
		s = "group " + t.Pattern
	}
	if t.Pattern != "" && t.Prefix != "" {
		s += fmt.Sprintf(" after %q", t.Prefix)
	}
	if t.Pattern != "" && t.Suffix != "" {
		s += fmt.Sprintf(" before %q", t.Suffix)
	}
	return s + map[byte]string{'?': ", optional", '*': ", any number of times", '+': ", once or more often"}[t.Modifier]
}

// prefixes are the characters that belong to the parameter after them, so that /:a? drops the slash with the value.
const prefixes = "./"

// Parse reads a pattern into tokens. The delimiters are the characters that a parameter without a group of its own never takes.
func Parse(pattern, delimiters string) ([]Token, error) {
	lexemes, err := lex(pattern)
	if err != nil {
		return nil, err
	}
	p := parser{lexemes: lexemes, delimiters: delimiters}
	for !p.done() {
		if err := p.step(); err != nil {
			return nil, err
		}
	}
	return p.tokens, nil
}

type parser struct {
	lexemes    []lexeme
	next       int
	delimiters string
	tokens     []Token
	text       strings.Builder // plain text not yet in tokens
	textPos    int
	unnamed    int
}

func (p *parser) done() bool { return p.next >= len(p.lexemes) }

// take consumes the next lexeme when it has the kind.
func (p *parser) take(k kind) (lexeme, bool) {
	if p.done() || p.lexemes[p.next].kind != k {
		return lexeme{}, false
	}
	p.next++
	return p.lexemes[p.next-1], true
}

func (p *parser) step() error {
	char, hasChar := p.take(kindChar)
	name, hasName := p.take(kindName)
	group, hasGroup := p.take(kindPattern)
	if hasName || hasGroup {
		prefix := char.text
		if hasChar && !strings.Contains(prefixes, prefix) {
			p.addText(char)
			prefix = ""
		}
		pos := name.pos
		switch {
		case prefix != "":
			pos = char.pos
		case !hasName:
			pos = group.pos
		}
		p.flush()
		return p.addParam(Token{Pos: pos, Param: true, Prefix: prefix}, name, hasName, group, hasGroup)
	}
	if hasChar {
		p.addText(char)
		return nil
	}
	if escaped, ok := p.take(kindEscaped); ok && escaped.text != "" {
		p.addText(escaped)
		return nil
	}
	p.flush()
	if open, ok := p.take(kindOpen); ok {
		return p.braces(open)
	}
	if _, ok := p.take(kindEnd); !ok {
		return p.unexpected("text, a parameter or a group")
	}
	return nil
}

// braces reads {prefix:name(pattern)suffix} and its modifier.
func (p *parser) braces(open lexeme) error {
	prefix := p.plain()
	name, hasName := p.take(kindName)
	group, hasGroup := p.take(kindPattern)
	suffix := p.plain()
	if _, ok := p.take(kindClose); !ok {
		return p.unexpected("}")
	}
	return p.addParam(Token{Pos: open.pos, Param: true, Prefix: prefix, Suffix: suffix}, name, hasName, group, hasGroup)
}

func (p *parser) plain() string {
	var b strings.Builder
	for {
		l, ok := p.take(kindChar)
		if !ok {
			if l, ok = p.take(kindEscaped); !ok || l.text == "" {
				return b.String()
			}
		}
		b.WriteString(l.text)
	}
}

func (p *parser) addParam(t Token, name lexeme, hasName bool, group lexeme, hasGroup bool) error {
	switch {
	case hasName:
		t.Name = name.text
	case hasGroup:
		t.Name, t.Unnamed = strconv.Itoa(p.unnamed), true
		p.unnamed++
	}
	t.patternPos = t.Pos
	if hasGroup {
		t.Pattern, t.patternPos, t.written = group.text, group.body, true
	} else if hasName {
		var err error
		if t.Pattern, err = p.defaultPattern(t); err != nil {
			return err
		}
	}
	if m, ok := p.take(kindModifier); ok {
		t.Modifier = m.text[0]
	}
	p.tokens = append(p.tokens, t)
	return nil
}

// defaultPattern is the expression of a parameter without a group: anything but a delimiter, and not across the text
// that stands before it, which keeps the match of neighbours like /:a-:b from growing with the square of the path.
func (p *parser) defaultPattern(t Token) (string, error) {
	before := t.Prefix
	if len(p.tokens) > 0 {
		prev := p.tokens[len(p.tokens)-1]
		if before == "" {
			before = prev.Text
		}
		if before == "" {
			return "", &Error{t.Pos, "two parameters need text between them, or a group of their own: ':" + prev.Name + "' and ':" + t.Name + "'"}
		}
	}
	if before == "" || strings.ContainsAny(before, p.delimiters) {
		return "[^" + escape(p.delimiters) + "]+?", nil
	}
	return "(?:(?!" + escape(before) + ")[^" + escape(p.delimiters) + "])+?", nil
}

func (p *parser) addText(l lexeme) {
	if p.text.Len() == 0 {
		p.textPos = l.pos
	}
	p.text.WriteString(l.text)
}

func (p *parser) flush() {
	if p.text.Len() > 0 {
		p.tokens = append(p.tokens, Token{Text: p.text.String(), Pos: p.textPos})
		p.text.Reset()
	}
}

func (p *parser) unexpected(want string) error {
	l := p.lexemes[min(p.next, len(p.lexemes)-1)]
	if l.kind == kindModifier {
		return &Error{l.pos, l.describe() + " stands after nothing that can repeat (write \\" + l.text + " for the character)"}
	}
	return &Error{l.pos, l.describe() + " where " + want + " was expected"}
}
