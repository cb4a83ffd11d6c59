package revalidate

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// ErrPath is the reason for which a path or path pattern is refused.
var ErrPath = refusal.New(http.StatusBadRequest, "path must begin with a slash and be a path or a pattern such as /blog/[slug] or /docs/[...rest]")

// maxPathLength bounds what an invalidation may name; it is that of Next.js for path tags.
const maxPathLength = 1024

// A pathPattern is a path to invalidate: literal, or with [name] for one segment, [...name] for one or more segments at
// the end, [[...name]] for any number, none included, at the end.
type pathPattern struct {
	text     string
	literal  bool
	segments []string // "" stands for a [name]
	rest     restKind
}

type restKind uint8

const (
	noRest restKind = iota
	oneOrMore
	anyNumber
)

// trimPath makes /blog and /blog/ the same path: an invalidation that reaches too much is safe, one that misses is not.
func trimPath(path string) string {
	if len(path) > 1 && path[len(path)-1] == '/' {
		return path[:len(path)-1]
	}
	return path
}

// parsePath reads a path or pattern as it is decoded in a URL ("/blog/[slug]").
func parsePath(text string) (*pathPattern, error) {
	if text == "" || text[0] != '/' || len(text) > maxPathLength {
		return nil, ErrPath
	}
	p := &pathPattern{text: trimPath(text)}
	if !strings.Contains(text, "/[") {
		p.literal = true
		return p, nil
	}
	segments := strings.Split(p.text[1:], "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		name, optional := strings.CutPrefix(segment, "[[...")
		switch {
		case optional && last && closes(name, "]]"):
			p.rest = anyNumber
		case strings.HasPrefix(segment, "[...") && last && closes(segment[4:], "]"):
			p.rest = oneOrMore
		case strings.HasPrefix(segment, "[") && !strings.HasPrefix(segment, "[[") && !strings.HasPrefix(segment, "[...") && closes(segment[1:], "]"):
			p.segments = append(p.segments, "")
		case strings.HasPrefix(segment, "["), segment == "":
			return nil, fmt.Errorf("%w: segment %d", ErrPath, i+1)
		default:
			p.segments = append(p.segments, segment)
		}
	}
	return p, nil
}

// closes reports whether s is a name followed by end and nothing more.
func closes(s, end string) bool {
	name, ok := strings.CutSuffix(s, end)
	return ok && name != "" && !strings.ContainsAny(name, "[]")
}

// match reports whether path, trimmed, is one that the pattern names. It does not allocate.
func (p *pathPattern) match(path string) bool {
	rest := path[1:]
	for _, want := range p.segments {
		if rest == "" {
			return false
		}
		segment, after, _ := strings.Cut(rest, "/")
		if want != "" && segment != want {
			return false
		}
		rest = after
	}
	switch p.rest {
	case oneOrMore:
		return rest != ""
	case anyNumber:
		return true
	default:
		return rest == ""
	}
}
