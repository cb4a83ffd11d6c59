package pathexp

import "strings"

// ParseTemplate reads text that is no path, such as a header's value or that of a query parameter: :name stands for
// the parameter when known says that there is one, with its modifier; everything else is plain text. In text with a colon,
// a backslash makes the character after it plain.
func ParseTemplate(text string, known func(name string) bool) ([]Token, error) {
	var tokens []Token
	plain := func(s string, pos int) {
		if n := len(tokens); n > 0 && !tokens[n-1].Param {
			tokens[n-1].Text += s
		} else if s != "" {
			tokens = append(tokens, Token{Text: s, Pos: pos})
		}
	}
	escapes := strings.Contains(text, ":")
	for i := 0; i < len(text); {
		end := i + 1
		if escapes && text[i] == '\\' {
			plain(text[end:min(end+1, len(text))], i) // at the end there is nothing to make plain
			i = end + 1
			continue
		}
		if text[i] == ':' {
			for end < len(text) && isNameByte(text[end]) {
				end++
			}
		}
		name := text[i+1 : end]
		if name == "" || !known(name) {
			plain(text[i:end], i)
			i = end
			continue
		}
		t := Token{Param: true, Name: name, Pos: i}
		if err := t.takePrefix(&tokens); err != nil {
			return nil, err
		}
		if end < len(text) && strings.IndexByte("?*+", text[end]) >= 0 {
			t.Modifier = text[end]
			end++
		}
		tokens = append(tokens, t)
		i = end
	}
	return tokens, nil
}

// takePrefix moves a slash or dot before the parameter from the text into the parameter, which repeats it between its
// values. The very first parameter of a template has a slash before it that is not written.
func (t *Token) takePrefix(tokens *[]Token) error {
	n := len(*tokens)
	if n == 0 {
		t.Prefix = "/"
		return nil
	}
	last := &(*tokens)[n-1]
	if last.Param {
		return &Error{t.Pos, "two parameters need text between them: ':" + last.Name + "' and ':" + t.Name + "'"}
	}
	if c := last.Text[len(last.Text)-1:]; strings.Contains(prefixes, c) {
		t.Prefix = c
		if last.Text = last.Text[:len(last.Text)-1]; last.Text == "" {
			*tokens = (*tokens)[:n-1]
		}
	}
	return nil
}
