package security

import (
	"strings"
	"unicode/utf8"
)

// A scrubber takes secrets out of text: registered values, values that follow a telling name, and tokens that are known by
// their form. It reads a text in one pass with bounded look-behind, without regular expressions, so its cost is
// proportional to the text whatever an attacker puts in it.
type scrubber struct {
	secrets *Secrets
	keys    keySet
	limit   int // bytes of one text that are kept
}

// clean reports whether text would return s as it is.
func (c *scrubber) clean(s string) bool {
	if c.secrets.Contains(s) {
		return false
	}
	var found spans
	c.scan(s, &found)
	return len(found.list) == 0
}

// text returns s without its secrets, or s itself, without allocating, where it has none and is short enough.
func (c *scrubber) text(s string) string {
	read := s
	if len(s) > c.limit { // read on for as long as a registered value that begins before the cut can be
		read = s[:min(len(s), c.limit+c.secrets.longest())]
	}
	var found spans
	c.secrets.find(read, &found)
	c.scan(read, &found)
	if len(s) <= c.limit {
		return found.replace(s)
	}
	return cut(found, read, c.limit) + "[cut]"
}

// cut replaces the spans that begin in the first limit bytes of text and drops what follows them, at a rune's border.
func cut(found spans, text string, limit int) string {
	keep := spans{}
	for _, sp := range found.list {
		if sp.start < limit {
			keep.list = append(keep.list, sp)
			limit = max(limit, sp.end)
		}
	}
	for limit > 0 && limit < len(text) && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return keep.replace(text[:limit])
}

// scan adds the places of secrets that names and forms betray.
func (c *scrubber) scan(s string, found *spans) {
	inWord := false
	var seen run
	for i := 0; i < len(s); i++ {
		b := s[i]
		switch {
		case b == ':' || b == '=':
			inWord = false
			if b == ':' && strings.HasPrefix(s[i:], "://") {
				if end := userinfo(s, i+3); end > i+3 {
					found.add(i+3, end)
					i = end
					continue
				}
				i += 2
				continue
			}
			if start, end, ok := c.named(s, i); ok {
				found.add(start, end)
				if end > i {
					i = end - 1
				}
			}
		case isWordByte(b):
			if inWord {
				continue
			}
			inWord = true
			if start, end := tokenAt(s, i, &seen); end > start {
				found.add(start, end)
				i = end - 1
			}
		case b == '-':
			inWord = false
			if end := pemAt(s, i); end > i {
				found.add(i, end)
				i = end - 1
			} else if start, end := c.flag(s, i); end > start {
				found.add(start, end)
				i = end - 1
			}
		case b == '>':
			inWord = false
			if end := c.element(s, i); end > i+1 {
				found.add(i+1, end)
				i = end - 1
			}
		case b == '@':
			inWord = false
			if start := dsnPassword(s, i); start >= 0 {
				found.add(start, i)
			}
		default:
			inWord = b == '_'
		}
	}
}

// isWordByte reports whether b belongs to a word, at whose beginning a token may stand.
func isWordByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// isTokenByte reports whether b may stand in a token (token68 of RFC 9110, section 11.2, and the dot and colon some have).
func isTokenByte(b byte) bool {
	return isWordByte(b) || strings.IndexByte("-._~+/=", b) >= 0
}

// userinfo returns the end of the userinfo of an authority that begins at start, or start where it has none (RFC 3986,
// section 3.2.1). It is hidden whole: tokens are passed as the name as often as as the password.
func userinfo(s string, start int) int {
	end := start
	for i := start; i < len(s); i++ {
		switch s[i] {
		case '@':
			end = i
		case '/', '?', '#', ' ', '\t', '\n', '\r', '"', '<', '>', '`':
			return end
		}
	}
	return end
}

// named looks at the separator s[at]: where the name before it is one of a secret, it returns the place of the value.
func (c *scrubber) named(s string, at int) (start, end int, ok bool) {
	name, quoted := nameBefore(s, at)
	if name == "" || !c.keys.secret(name) && !isCode(s, at, name) {
		return 0, 0, false
	}
	i := at + 1
	spaces := 0
	for i < len(s) && (s[i] == '=' || s[i] == '>' || s[i] == ':' || s[i] == ' ' || s[i] == '\t') {
		if s[i] == ' ' || s[i] == '\t' {
			spaces++
		}
		i++
	}
	if i >= len(s) {
		return 0, 0, false
	}
	start = i
	switch end = quotedEnd(s, i); {
	case end > i:
		open := strings.IndexAny(s[i:], "\"'`")
		return i + open + 1, end, true
	case s[i] == '[' || s[i] == '{' || s[i] == '(' || s[i] == '&' && !quoted || strings.HasPrefix(s[i:], "map["):
		if end = bracketEnd(s, i); end > i {
			return start, end, true
		}
	}
	switch {
	case isHeaderName(name):
		end = lineEnd(s, i)
	case s[at] == ':' && !quoted && spaces == 0:
		end = fieldEnd(s, i)
	default:
		end = wordEnd(s, i)
	}
	if c.keys.describes(name) && strings.Trim(s[start:end], "0123456789") == "" {
		return 0, 0, false // tokens=12
	}
	return start, end, end > start
}

// isCode reports whether the parameter before at is an authorization code (RFC 6749, section 4.1.2): "code" is a secret in a
// query only.
func isCode(s string, at int, name string) bool {
	before := at - len(name) - 1
	return name == "code" && s[at] == '=' && before >= 0 && (s[before] == '?' || s[before] == '&')
}

// flag returns the place of the value after a command line's "--password value" at i, or an empty one.
func (c *scrubber) flag(s string, i int) (start, end int) {
	if i > 0 && s[i-1] != ' ' && s[i-1] != '"' && s[i-1] != '[' && s[i-1] != '\'' {
		return i, i
	}
	begin := i
	for begin < len(s) && s[begin] == '-' && begin-i < 2 {
		begin++
	}
	stop := begin
	for stop < len(s) && stop-begin < maxKeyName && isNameByte(s[stop]) {
		stop++
	}
	if stop >= len(s) || s[stop] != ' ' || !c.keys.secret(s[begin:stop]) {
		return i, i
	}
	start = stop + 1
	if end = quotedEnd(s, start); end > start {
		return start + 1, end
	}
	return start, wordEnd(s, start)
}

// element returns the end of the content of an XML element whose start tag ends at i, where its name is that of a secret; else i.
func (c *scrubber) element(s string, i int) int {
	open := strings.LastIndexByte(s[max(0, i-2*maxKeyName):i], '<')
	if open < 0 {
		return i
	}
	tag := s[max(0, i-2*maxKeyName)+open+1 : i]
	stop := 0
	for stop < len(tag) && (isNameByte(tag[stop]) || tag[stop] == ':') {
		stop++
	}
	if !c.keys.secret(tag[:stop]) {
		return i
	}
	if end := strings.IndexByte(s[i:], '<'); end > 0 {
		return i + end
	}
	return len(s)
}

// dsnPassword returns where the password begins in "user:password@tcp(host)", as Go's MySQL driver writes it, whose @ is at i; -1 for none.
func dsnPassword(s string, i int) int {
	if !strings.HasPrefix(s[i:], "@tcp(") && !strings.HasPrefix(s[i:], "@unix(") {
		return -1
	}
	for j := i - 1; j >= 0 && i-j < 256 && strings.IndexByte(" \t\n\"'`/", s[j]) < 0; j-- {
		if s[j] == ':' {
			return j + 1
		}
	}
	return -1
}

// nameBefore returns the name that ends just before the separator at, without quotes, and whether it was quoted.
func nameBefore(s string, at int) (name string, quoted bool) {
	end := at
	for end > 0 && at-end < 4 && (s[end-1] == ' ' || s[end-1] == '\t') {
		end--
	}
	for end > 0 && (s[end-1] == '"' || s[end-1] == '\'' || s[end-1] == '`' || s[end-1] == '\\') && at-end < 12 {
		end--
		quoted = true
	}
	for end > 0 && at-end < 16 && s[end-1] == ']' { // user[password]=
		end--
	}
	begin := end
	for begin > 0 && end-begin < maxKeyName && isNameByte(s[begin-1]) {
		begin--
	}
	return s[begin:end], quoted
}

func isNameByte(b byte) bool {
	return isWordByte(b) || b == '_' || b == '-' || b == '.' || b == '%' || b >= 0x80
}

// quotedEnd returns where the content of the quoted string at i ends, or i where none begins. Quotes that are escaped
// themselves, as in JSON inside JSON, end at a quote that is escaped as deep.
func quotedEnd(s string, i int) int {
	depth := 0
	for i+depth < len(s) && s[i+depth] == '\\' {
		depth++
	}
	if i+depth >= len(s) {
		return i
	}
	quote := s[i+depth]
	if quote != '"' && quote != '\'' && quote != '`' {
		return i
	}
	run := 0 // backslashes before the byte looked at
	for j := i + depth + 1; j < len(s); j++ {
		switch {
		case s[j] == '\\':
			run++
			continue
		case s[j] == quote && (quote == '`' || run <= depth && (run == depth || run%2 == 0)):
			return j - min(run, depth)
		}
		run = 0
	}
	return len(s)
}

// bracketEnd returns the end of the bracketed value at i; of the text, where it never closes.
func bracketEnd(s string, i int) int {
	depth := 0
	for j := i; j < len(s); j++ {
		switch s[j] {
		case '[', '{', '(':
			depth++
		case ']', '}', ')':
			if depth--; depth <= 0 {
				return j + 1
			}
		}
	}
	return len(s)
}

// isHeaderName reports whether the value of name runs to the end of its line: cookies and credentials have spaces.
func isHeaderName(name string) bool {
	switch squash(name) {
	case "authorization", "proxyauthorization", "cookie", "setcookie":
		return true
	}
	return false
}

func lineEnd(s string, i int) int {
	for ; i < len(s); i++ {
		switch s[i] {
		case '\n', '\r', '"', '}', ']', '`':
			return i
		case '\\':
			if i+1 < len(s) && (s[i+1] == 'n' || s[i+1] == 'r' || s[i+1] == '"') {
				return i
			}
		}
	}
	return i
}

// fieldEnd returns the end of a value as %+v prints it: at the next " Name:", the closing bracket or the end of the line.
func fieldEnd(s string, i int) int {
	for ; i < len(s); i++ {
		switch s[i] {
		case '\n', '\r', '}', ']', ')', '"', '&', ',', ';':
			return i
		case ' ':
			j := i + 1
			for j < len(s) && isNameByte(s[j]) {
				j++
			}
			if j > i+1 && j < len(s) && (s[j] == ':' || s[j] == '=') {
				return i
			}
		}
	}
	return i
}

func wordEnd(s string, i int) int {
	for ; i < len(s); i++ {
		switch s[i] {
		case ' ', '\t', '\n', '\r', '&', ',', ';', '}', ']', ')', '"', '\'', '<', '>', '`', '\\':
			return i
		}
	}
	return i
}
