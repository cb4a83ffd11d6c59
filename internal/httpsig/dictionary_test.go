package httpsig_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/httpsig"
)

func TestParseDictionary(t *testing.T) {
	for _, row := range []struct{ name, in, out string }{
		{"a list with parameters", `sig=("a" "b";x;y=?0 tok 7 :aGk=:);created=1;keyid="k\"\\";n=-5`, `("a" "b";x;y=?0 tok 7 :aGk=:);created=1;keyid="k\"\\";n=-5`},
		{"spaces", `sig=(  "a"   "b"  )`, `("a" "b")`},
		{"an empty list", `sig=()`, `()`},
	} {
		m := input(t, strings.TrimPrefix(row.in, "sig="))
		if got := string(m.AppendList(nil)); got != row.out || m.Key != "sig" || !m.IsList {
			t.Errorf("%s: got %s", row.name, got)
		}
	}
	var d httpsig.Dictionary
	if err := d.Parse([]string{`a=:aGk=:`, `b;x=1, c=?1`}); err != nil || len(d.Members) != 3 || string(d.Members[0].Item.Bytes) != "hi" || d.Members[1].Item.Num != 1 || len(d.Members[1].Params) != 1 {
		t.Errorf("several lines: %v, %v", d.Members, err)
	}
	for _, lines := range [][]string{{`a=1`, ``}, {``, `a=1`}, {`a="b`, `c"`}, {`a=(`, `)`}, {`a=1`, `a=2`}, {`a=1,`, `b=2`}} {
		if err := d.Parse(lines); !errors.Is(err, httpsig.ErrField) || len(d.Members) != 0 {
			t.Errorf("%q: %v, %v", lines, d.Members, err)
		}
	}
	for _, bad := range []string{`=`, `A=1`, `a=`, `a=1,`, `a=1 b`, `a=1, a=2`, `a=(`, `a=("b"`, `a=("b""c")`, `a=(=)`, `a=("b";)`, `a=("b";c=)`, `a="b`, `a="b\c"`, "a=\"\x7f\"", `a=:x`, `a=:!:`, "a=:aG\nk=:", "a=:aGk=\r:", `a=:aGl=:`, `a=:aGk:`, `a=?2`, `a=1.5`, `a=-`, `a=1234567890123456`, `a=1;b;b`, `a=1;B`, `a=%`} {
		if err := d.Parse([]string{bad}); !errors.Is(err, httpsig.ErrField) || len(d.Members) != 0 {
			t.Errorf("%s: %v, %v", bad, d.Members, err)
		}
	}
	if err := d.Parse(nil); err != nil || len(d.Members) != 0 {
		t.Errorf("no field: %v, %v", d.Members, err)
	}
}

// Whoever sends a field chooses how large it is, before anything is verified.
func TestADictionaryIsBounded(t *testing.T) {
	numbered := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	var d httpsig.Dictionary
	for _, row := range []struct {
		name, field string
		ok          bool
	}{
		{"64 members", "a" + numbered(63, ", a%d"), true},
		{"65 members", "a" + numbered(64, ", a%d"), false},
		{"64 items of a list", "a=(" + strings.Repeat(" b", 64) + ")", true},
		{"65 items of a list", "a=(" + strings.Repeat(" b", 65) + ")", false},
		{"64 parameters", "a" + numbered(64, ";a%d"), true},
		{"65 parameters", "a" + numbered(65, ";a%d"), false},
		{"512 items in all", "a" + strings.ReplaceAll(numbered(8, ", a%d=()"), "()", "("+strings.Repeat(" b", 64)+")"), true},
		{"513 items in all", "a=(b)" + strings.ReplaceAll(numbered(8, ", a%d=()"), "()", "("+strings.Repeat(" b", 64)+")"), false},
		{"512 parameters in all", "a" + strings.ReplaceAll(numbered(8, ", a%d="), "=", numbered(64, ";b%d")), true},
		{"513 parameters in all", "a;b" + strings.ReplaceAll(numbered(8, ", a%d="), "=", numbered(64, ";b%d")), false},
	} {
		if err := d.Parse([]string{row.field}); (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// A member keeps its content while others are read behind it, however the memory below grows.
func TestMembersOfADictionaryKeepTheirContent(t *testing.T) {
	var lines []string
	for i := range 60 {
		content := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune('a'+i%26)), i)))
		lines = append(lines, fmt.Sprintf(`k%d=(a%d "b%d";n=%d);p=:%s:`, i, i, i, i, content))
	}
	var d httpsig.Dictionary
	if err := d.Parse(lines); err != nil {
		t.Fatal(err)
	}
	for i, line := range lines {
		m := d.Get(fmt.Sprintf("k%d", i))
		if m == nil || string(m.AppendList([]byte(m.Key+"="))) != line {
			t.Fatalf("%s: %v", line, m)
		}
	}
	if m := d.Get("k60"); m != nil {
		t.Errorf("a member that was not given: %v", m)
	}
}

func TestAListCoversStringsWithoutParameters(t *testing.T) {
	m := input(t, `("a" b "c";x "e\"")`)
	for name, want := range map[string]bool{"a": true, "b": false, "c": false, "d": false, `e"`: true} {
		if m.Covers(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// What is read is written back to what reads the same.
func FuzzParseDictionary(f *testing.F) {
	for _, s := range []string{`sig=("a" "b";x);created=1`, `a=:aGk=:, b`, `a=(tok ?0 -7);k="\\"`, `a=((`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d, again httpsig.Dictionary
		if d.Parse([]string{text}) != nil {
			return
		}
		for _, m := range d.Members {
			if !m.IsList {
				continue
			}
			once := string(m.AppendList([]byte(m.Key + "=")))
			err := again.Parse([]string{once})
			if err != nil || len(again.Members) != 1 || string(again.Members[0].AppendList([]byte(m.Key+"="))) != once {
				t.Fatalf("%q: %q, %v", text, once, err)
			}
		}
	})
}
