package typeroute_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook/internal/typeroute"
)

func TestFindTakesTheBest(t *testing.T) {
	var table typeroute.Table[string]
	for _, r := range []struct{ provider, pattern string }{
		{"p", "*"}, {"p", "invoice.*"}, {"p", "invoice.paid"}, {"p", "*.paid"}, {"p", "a*b*c"}, {"p", "a*bc*"}, {"q", ""}, {"", "*.created"}, {"", "everywhere"},
	} {
		if err := table.Add(r.provider, r.pattern, r.provider+":"+r.pattern); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ name, provider, typ, want string }{
		{"an exact type", "p", "invoice.paid", "p:invoice.paid"},
		{"the pattern with more beside its star", "p", "invoice.sent", "p:invoice.*"},
		{"a star at the beginning", "p", "order.paid", "p:*.paid"},
		{"a star alone", "p", "ping", "p:*"},
		{"a star stands for one byte at least", "p", "invoice.", "p:*"},
		{"stars inside", "p", "axbyc", "p:a*b*c"},
		{"among equals the one that was there first", "p", "axbcyc", "p:a*b*c"},
		{"a piece between stars that is missing", "p", "axbyd", "p:*"},
		{"nothing left for the stars", "p", "a", "p:*"},
		{"a pattern is anchored in front", "p", "xinvoice.x", "p:*"},
		{"the empty type does not fit a star", "p", "", ""},
		{"the empty type by the empty pattern", "q", "", "q:"},
		{"for every provider", "q", "user.created", ":*.created"},
		{"a provider's own come first", "p", "user.created", "p:*"},
		{"an exact type for every provider", "z", "everywhere", ":everywhere"},
		{"nothing", "z", "nowhere", ""},
	} {
		if got, ok := table.Find(row.provider, row.typ); got != row.want || ok != (row.want != "") {
			t.Errorf("%s: got %q, %v", row.name, got, ok)
		}
	}
	if got, ok := new(typeroute.Table[string]).Find("p", "x"); ok {
		t.Errorf("an empty table: %q", got)
	}
}

func TestAddRefuses(t *testing.T) {
	var table typeroute.Table[int]
	for _, pattern := range []string{"a", "a.*"} {
		if err := table.Add("p", pattern, 1); err != nil {
			t.Fatal(err)
		}
		if err := table.Add("p", pattern, 2); err == nil {
			t.Errorf("%q is registered twice", pattern)
		}
		if err := table.Add("q", pattern, 3); err != nil {
			t.Errorf("%q for another provider: %v", pattern, err)
		}
	}
	if err := table.Add("p", strings.Repeat("a*", 513), 1); err == nil {
		t.Error("a pattern of 1026 bytes is registered")
	}
}

// A pattern fits what a reader would say it fits, in time that does not explode.
func FuzzFind(f *testing.F) {
	f.Add("invoice.*", "invoice.paid")
	f.Add("a*b*c*", "abbcbcc")
	f.Add(strings.Repeat("a*", 50), strings.Repeat("a", 1000))
	f.Fuzz(func(t *testing.T, pattern, typ string) {
		var table typeroute.Table[bool]
		if table.Add("p", pattern, true) != nil {
			return
		}
		_, got := table.Find("p", typ)
		if len(pattern) < 12 && len(typ) < 24 && got != slowFits(pattern, typ) {
			t.Fatalf("%q fits %q: %v", pattern, typ, got)
		}
	})
}

// slowFits tries every length for every star.
func slowFits(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] != '*' {
		return s != "" && s[0] == pattern[0] && slowFits(pattern[1:], s[1:])
	}
	for n := 1; n <= len(s); n++ {
		if slowFits(pattern[1:], s[n:]) {
			return true
		}
	}
	return false
}
