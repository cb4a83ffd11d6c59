package urlpath_test

import (
	"errors"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/urlpath"
)

func TestCheck(t *testing.T) {
	for _, row := range []struct {
		name, path string
		want       error
	}{
		{"the root", "/", nil},
		{"a plain path", "/blog/2026/a.html", nil},
		{"a trailing slash", "/blog/", nil},
		{"an empty segment is the caller's to judge", "//blog", nil},
		{"dots inside a segment", "/a..b/.hidden/...", nil},
		{"an encoded space and letter", "/a%20b/%61", nil},
		{"an encoded percent sign stays one reading", "/a%252Fb", nil},
		{"UTF-8", "/caf%C3%A9/%E6%97%A5", nil},
		{"raw UTF-8", "/café", urlpath.ErrRaw},
		{"raw UTF-8 in the query", "/a?b=é", urlpath.ErrRaw},
		{"a raw number sign, which others read as a fragment's", "/a#b", urlpath.ErrRaw},
		{"a raw number sign in the query", "/a?b=c#d", urlpath.ErrRaw},
		{"an encoded number sign", "/a%23b?c=%23", nil},
		{"an encoded query", "/a?b=%C3%A9&c=%zz", nil},
		{"the server-wide form of OPTIONS", "*", nil},
		{"an encoded slash", "/a%2Fb", urlpath.ErrEncodedSeparator},
		{"an encoded slash in lower case", "/a%2fb", urlpath.ErrEncodedSeparator},
		{"an encoded backslash", "/a%5Cb", urlpath.ErrEncodedSeparator},
		{"a raw backslash", `/a\b`, urlpath.ErrEncodedSeparator},
		{"a NUL", "/a%00b", urlpath.ErrControl},
		{"a line feed", "/a%0Ab", urlpath.ErrControl},
		{"a DEL", "/a%7Fb", urlpath.ErrControl},
		{"a parent segment", "/a/../b", urlpath.ErrDotSegment},
		{"a parent segment at the end", "/a/..", urlpath.ErrDotSegment},
		{"a current segment", "/./a", urlpath.ErrDotSegment},
		{"a current segment at the end", "/a/.", urlpath.ErrDotSegment},
		{"an encoded parent segment", "/a/%2e%2E/b", urlpath.ErrDotSegment},
		{"a half encoded parent segment", "/a/.%2e", urlpath.ErrDotSegment},
		{"a parent segment with parameters, which some servers take off", "/a/..;x=1/b", urlpath.ErrDotSegment},
		{"a current segment with empty parameters", "/a/.;", urlpath.ErrDotSegment},
		{"an encoded parent segment with an encoded semicolon", "/a/%2e.%3b/b", urlpath.ErrDotSegment},
		{"parameters of another segment", "/a;x=1/...;y", nil},
		{"bytes that are no UTF-8", "/a%FF", urlpath.ErrUTF8},
		{"an empty path", "", urlpath.ErrRelative},
		{"a relative path", "a/b", urlpath.ErrRelative},
	} {
		u, err := url.ParseRequestURI(row.path) // as net/http reads a request line
		if err != nil {
			u, err = url.Parse(row.path)
		}
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		if got := urlpath.Check(u); !errors.Is(got, row.want) {
			t.Errorf("%s (%s): got %v, want %v", row.name, row.path, got, row.want)
		}
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	u, _ := url.Parse("/caf%C3%A9/a%2Fb/c")
	if n := testing.AllocsPerRun(100, func() { _ = urlpath.Check(u) }); n != 0 {
		t.Errorf("allocations: %v", n)
	}
}

// An accepted path has the same segments whether one splits first and decodes then, or the other way round, and
// cleaning it removes empty segments only.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/a%2Fb", "/a/../b", "/%2e%2e", "//a", `/a\b`, "/a%00", "/a%FF", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.ParseRequestURI(s)
		if err != nil || urlpath.Check(u) != nil || u.Path == "*" {
			return
		}
		raw := strings.Split(u.EscapedPath(), "/")
		decoded := strings.Split(u.Path, "/")
		if len(raw) != len(decoded) {
			t.Fatalf("%q: raw %q, decoded %q", s, raw, decoded)
		}
		for i := range raw {
			if one, err := url.PathUnescape(raw[i]); err != nil || one != decoded[i] {
				t.Fatalf("%q: segment %q decodes to %q, not %q (%v)", s, raw[i], one, decoded[i], err)
			}
		}
		squeezed := u.Path
		for strings.Contains(squeezed, "//") {
			squeezed = strings.ReplaceAll(squeezed, "//", "/")
		}
		if clean := path.Clean(u.Path); clean != squeezed && clean+"/" != squeezed {
			t.Fatalf("%q: cleaning gives %q", s, clean)
		}
	})
}
