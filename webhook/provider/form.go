package provider

import (
	"bytes"
	"slices"

	"github.com/gatehouse-go/gatehouse/internal/urlform"
)

// form is a form body, or a query, in room that is used again. The pairs are in the order in which they are given, until join sorts them;
// of a multipart form they are the body's.
type form struct {
	urlform.Form

	joined []byte // see join
}

// readForm reads text into f and reports whether it is a form.
func readForm[T string | []byte](f *form, text T) bool { return urlform.Read(&f.Form, text) }

// firstOf returns the value of the first of these names that has one of a sensible length, and whether one has.
func (f *form) firstOf(names ...string) (value string, ok bool) {
	for _, name := range names {
		if value, _ := f.Get(name); len(value) > 0 && len(value) <= maxText {
			return string(value), true
		}
	}
	return "", false
}

// join sorts the pairs and sets joined to their names and values, each pair once and without a border.
func (f *form) join() {
	slices.SortFunc(f.Pairs, comparePairs)
	f.joined = f.joined[:0]
	for i, p := range f.Pairs {
		if i == 0 || comparePairs(p, f.Pairs[i-1]) != 0 {
			f.joined = append(append(f.joined, p.Name...), p.Value...)
		}
	}
}

func comparePairs(a, b urlform.Pair) int {
	if order := bytes.Compare(a.Name, b.Name); order != 0 {
		return order
	}
	return bytes.Compare(a.Value, b.Value)
}
