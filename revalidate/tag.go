package revalidate

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Bounds of tags. They are those of Next.js; a longer list or a longer tag is refused, never cut short, because a tag
// that was cut would be missed by the invalidation that names it in full.
const (
	MaxTags      = 128 // tags on one entry
	MaxTagLength = 256 // bytes of one tag
)

// Reasons for which tags are refused.
var (
	ErrTag         = refusal.New(http.StatusBadRequest, "tag must be 1 to 256 bytes of visible ASCII")
	ErrTooManyTags = refusal.New(http.StatusBadRequest, "an entry has at most 128 tags")
	ErrGroups      = refusal.New(http.StatusBadRequest, "a response has at most 128 cache groups of at most 256 bytes")
)

// CheckTag returns nil when tag can be on an entry: 1 to [MaxTagLength] bytes, each a visible ASCII character
// (0x21 to 0x7E). The error wraps [ErrTag] and does not repeat the tag, which may be hostile input.
func CheckTag(tag string) error {
	if tag == "" {
		return fmt.Errorf("%w: it is empty", ErrTag)
	}
	if len(tag) > MaxTagLength {
		return fmt.Errorf("%w: it has %d bytes", ErrTag, len(tag))
	}
	for i := range len(tag) {
		if c := tag[i]; c <= ' ' || c >= 0x7f {
			return fmt.Errorf("%w: byte %d is %#02x", ErrTag, i, c)
		}
	}
	return nil
}

// packTags checks tags, drops repeated ones and joins them by a space, which no tag contains. One string holds all the
// tags of an entry: it costs a quarter of what a slice of strings does, and a tag is found in it without allocation.
func packTags(tags []string) (string, error) {
	switch len(tags) {
	case 0:
		return "", nil
	case 1:
		return tags[0], CheckTag(tags[0])
	}
	size := len(tags)
	for _, tag := range tags {
		if err := CheckTag(tag); err != nil {
			return "", err
		}
		size += len(tag)
	}
	var b strings.Builder
	b.Grow(size)
	count := 0
	for i, tag := range tags {
		if slices.Contains(tags[:i], tag) {
			continue
		}
		if count++; count > MaxTags {
			return "", ErrTooManyTags
		}
		if count > 1 {
			b.WriteByte(' ')
		}
		b.WriteString(tag)
	}
	return b.String(), nil
}

// splitTags is the inverse of packTags.
func splitTags(packed string) []string {
	if packed == "" {
		return nil
	}
	return strings.Split(packed, " ")
}

// wellPacked reports whether packed is of tags none of which is empty.
func wellPacked(packed string) bool {
	return !strings.HasPrefix(packed, " ") && !strings.HasSuffix(packed, " ") && !strings.Contains(packed, "  ")
}

// A collector gathers the tags of one fill from everything that takes part in it: the handler's calls of [Tag], the
// fetch function's calls of [TagFill], and the tags of cached data that was read on the way. It also notes the oldest
// generation among that data: what is built from old data is as old as the data.
type collector struct {
	mu    sync.Mutex
	tags  []string
	stamp int64
	err   error // the first violation
}

type collectorKey struct{}

func collectorFrom(ctx context.Context) *collector {
	col, _ := ctx.Value(collectorKey{}).(*collector)
	return col
}

// add notes tags. Once a tag broke a rule the fill is not stored, so nothing more is kept.
func (col *collector) add(tags ...string) {
	col.mu.Lock()
	defer col.mu.Unlock()
	for _, tag := range tags {
		if col.err != nil {
			return
		}
		if col.err = CheckTag(tag); col.err != nil || slices.Contains(col.tags, tag) {
			continue
		}
		if len(col.tags) == MaxTags {
			col.err = ErrTooManyTags
			continue
		}
		col.tags = append(col.tags, tag)
	}
}

// inherit takes over what an entry that was read during the fill depends on.
func (col *collector) inherit(e *Entry) {
	col.add(splitTags(publicTags(e.tags))...)
	col.mu.Lock()
	defer col.mu.Unlock()
	col.stamp = min(col.stamp, e.stamp)
}

// result returns the packed tags, the generation that the filled entry has, and the first violation.
func (col *collector) result() (tags string, stamp int64, err error) {
	col.mu.Lock()
	defer col.mu.Unlock()
	if col.err != nil {
		return "", 0, col.err
	}
	tags, err = packTags(col.tags)
	return tags, col.stamp, err
}

// TagFill adds tags to what is being filled in ctx: the data of the [Get] whose fetch function got ctx, or the response
// of the handler whose request has it as context. It is for tags that are known only once the data is, such as
// "author:7" of a post. Outside a fill it does nothing.
//
// A tag that breaks a rule ([CheckTag]), or one more than [MaxTags], keeps the result from being stored; it is still
// handed to whoever waits for it, and the violation is logged.
func TagFill(ctx context.Context, tags ...string) {
	if col := collectorFrom(ctx); col != nil {
		col.add(tags...)
	}
}

// Tag adds tags to the response that the handler behind [Cache.Wrap] is writing to w; it must be called before the
// handler returns, and may be called after the first byte was written. w may be wrapped by other middleware, as long as
// each layer has Unwrap. Where no cache listens it does nothing, so a handler can be used and tested without one.
//
// A tag that breaks a rule ([CheckTag]), or one more than [MaxTags], keeps the response from being stored; the client
// gets it all the same, and the violation is logged.
func Tag(w http.ResponseWriter, tags ...string) {
	for w != nil {
		switch v := w.(type) {
		case interface{ addTags(tags ...string) }:
			v.addTags(tags...)
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return
		}
	}
}
