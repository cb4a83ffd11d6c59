package postgres

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain é", "a\x00b", "\xff", `\`, `\\x00`, `\x`, "\xf0\x9f", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kept := stored(s)
		if !utf8.ValidString(kept) || strings.Contains(kept, "\x00") {
			t.Errorf("%q is kept as %q", s, kept)
		}
		if back := original(kept); back != s {
			t.Errorf("%q came back as %q", s, back)
		}
		_ = original(s) // of text that somebody else wrote into the table
	})
}
