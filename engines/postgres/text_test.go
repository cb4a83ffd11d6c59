package postgres_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain é", "a\x00b", "\xff", `\`, `\\x00`, `\x`, "\xf0\x9f", "\ufffd", `\xzz`, `a\`, `\x4`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kept := postgres.Stored(s)
		if !utf8.ValidString(kept) || strings.Contains(kept, "\x00") {
			t.Errorf("%q is kept as %q", s, kept)
		}
		if back := postgres.Original(kept); back != s {
			t.Errorf("%q came back as %q", s, back)
		}
		_ = postgres.Original(s) // of text that somebody else wrote into the table
	})
}
