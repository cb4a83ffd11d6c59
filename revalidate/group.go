package revalidate

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// ErrGroup is the reason for which an invalidation of a cache group is refused.
var ErrGroup = refusal.New(http.StatusBadRequest, "a cache group is of an origin such as https://example.com and has a name of at most 256 bytes of ASCII")

// maxOrigin bounds the origin of a group; the name of a host has at most 253 bytes.
const maxOrigin = 300

// A Group is a cache group of one origin (RFC 9875): what responses of that origin name in Cache-Groups.
type Group struct {
	Origin string // scheme, host and port if any, in lower case: "https://example.com"
	Name   string // at most 256 bytes of ASCII that can be printed, spaces too
}

func (g Group) check() error {
	_, host, ok := strings.Cut(g.Origin, "://")
	scheme := strings.HasPrefix(g.Origin, "http://") || strings.HasPrefix(g.Origin, "https://")
	if !ok || !scheme || host == "" || len(g.Origin) > maxOrigin || len(g.Name) > MaxTagLength {
		return ErrGroup
	}
	for i := range len(g.Origin) {
		if c := g.Origin[i]; c <= ' ' || c >= 0x7f || c >= 'A' && c <= 'Z' {
			return ErrGroup
		}
	}
	for i := range len(g.Name) {
		if c := g.Name[i]; c < ' ' || c >= 0x7f {
			return ErrGroup
		}
	}
	return nil
}

// tag is the tag that stands for the group. It is not of visible ASCII, so nobody can name it.
func (g Group) tag() string {
	return "\x01" + g.Origin + "\x01" + strings.ReplaceAll(g.Name, " ", "\x02")
}

// originOf returns the origin that a request was made to.
func originOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + strings.ToLower(r.Host)
	}
	return "http://" + strings.ToLower(r.Host)
}

// publicTags drops the tags that stand for cache groups.
func publicTags(packed string) string {
	if strings.IndexByte(packed, '\x01') < 0 {
		return packed
	}
	return strings.Join(slices.DeleteFunc(splitTags(packed), internalTag), " ")
}

func internalTag(tag string) bool { return strings.HasPrefix(tag, "\x01") }
