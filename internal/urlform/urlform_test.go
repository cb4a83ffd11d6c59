package urlform_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/urlform"
)

func TestRead(t *testing.T) {
	var f urlform.Form
	for _, row := range []struct {
		name, in, of, first string
		n                   int
		ok                  bool
	}{
		{"one pair", "a=b", "a", "b", 1, true},
		{"a name twice", "a=b&c=d&a=e", "a", "b", 2, true},
		{"another name", "a=b", "b", "", 0, true},
		{"names differ in case", "A=b", "a", "", 0, true},
		{"no value", "a", "a", "", 1, true},
		{"an escaped name and value", "%61=%62+c%2Bd", "a", "b c+d", 1, true},
		{"an equals sign in a value", "a=b=c", "a", "b=c", 1, true},
		{"empty pairs", "&&a=b&", "a", "b", 1, true},
		{"nothing", "", "a", "", 0, true},
		{"a semicolon", "a=b;c=d", "", "", 0, false},
		{"an escape that is none", "a=%zz", "", "", 0, false},
		{"an escape that is none in a name", "%zz=a", "", "", 0, false},
		{"an escape that ends early", "a=%4", "", "", 0, false},
		{"as many pairs as there may be", strings.Repeat("&", 9999), "a", "", 0, true},
		{"more pairs than that", strings.Repeat("&", 10000), "", "", 0, false},
	} {
		if ok := urlform.Read(&f, row.in); ok != row.ok {
			t.Errorf("%s: %v", row.name, ok)
			continue
		}
		if first, n := f.Get(row.of); row.ok && (string(first) != row.first || n != row.n) {
			t.Errorf("%s: %q, %d times", row.name, first, n)
		}
	}
	if !urlform.Read(&f, []byte("a=b")) {
		t.Fatal("bytes are no form")
	}
	if f.Forget(); f.Pairs[0].Name != nil || f.Pairs[0].Value != nil {
		t.Errorf("not forgotten: %q", f.Pairs)
	}
}

// A form is read as net/url reads it, and what was read before has no part in it.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"a=b&a=c", "%61=+&b", "a=%4", "a;b", "&=&", "a=b=c"} {
		f.Add(s, "a=x&b=y&c=z")
	}
	f.Fuzz(func(t *testing.T, text, before string) {
		var form urlform.Form
		_ = urlform.Read(&form, before)
		ok := urlform.Read(&form, text)
		want, err := url.ParseQuery(text)
		if ok != (err == nil) {
			t.Fatalf("%q: %v, %v", text, ok, err)
		}
		if !ok {
			return
		}
		got := url.Values{}
		for _, p := range form.Pairs {
			got.Add(string(p.Name), string(p.Value))
		}
		if got.Encode() != want.Encode() {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
	})
}
