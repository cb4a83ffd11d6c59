package provider

import (
	"fmt"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// stringify hashes text as the JSON string that JavaScript's JSON.stringify makes of it (ECMA-262, QuoteJSONString): it escapes
// quotation marks, backslashes and control characters, and nothing else. Text that is not UTF-8 is refused: JavaScript would have
// read each bad byte as U+FFFD, so that several bodies had one hash.
func stringify[T ~string | ~[]byte](s *state, text T) error {
	const digits = "0123456789abcdef"
	s.buf = append(s.buf, '"')
	for i := 0; i < len(text); {
		if len(s.buf) > scratch/2 {
			s.flush()
		}
		c := text[i]
		if c >= utf8.RuneSelf {
			r, size := decodeRune(text[i:])
			if r == utf8.RuneError && size == 1 {
				return fmt.Errorf("%w: not UTF-8", webhook.ErrPayload)
			}
			s.buf = append(s.buf, text[i:i+size]...)
			i += size
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			s.buf = append(s.buf, '\\', c)
		case c == '\b':
			s.buf = append(s.buf, '\\', 'b')
		case c == '\f':
			s.buf = append(s.buf, '\\', 'f')
		case c == '\n':
			s.buf = append(s.buf, '\\', 'n')
		case c == '\r':
			s.buf = append(s.buf, '\\', 'r')
		case c == '\t':
			s.buf = append(s.buf, '\\', 't')
		case c < 0x20:
			s.buf = append(s.buf, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			s.buf = append(s.buf, c)
		}
	}
	s.buf = append(s.buf, '"')
	return nil
}

// decodeRune is [utf8.DecodeRune] for both kinds of text.
func decodeRune[T ~string | ~[]byte](text T) (rune, int) {
	var room [utf8.UTFMax]byte
	return utf8.DecodeRune(room[:copy(room[:], text)])
}
