// Package cms reads the webhooks of content management systems as changes, and changes as tags to invalidate.
//
//	endpoint, err := revalidate.NewEndpoint(revalidate.EndpointConfig{
//		Cache:  cache,
//		Signed: verify, // the signature scheme of the CMS
//		Decode: cms.Decode(cms.Contentful, nil),
//	})
//
// Without a function of yours, a change to the post with id 7 and slug "hello" names the tags "post", "post:7" and
// "post:hello" ([Tags]). The data and responses that show it carry one of them, made by [Tag].
package cms

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// A Change is one thing that changed, as a delivery tells it. What the CMS does not tell is empty.
type Change struct {
	Action string   // as the CMS calls it: "publish", "entry.update", "deleted"
	Type   string   // content type, such as "post"; "asset" and the like for what is no content
	ID     string   // as the CMS calls it
	Slug   string   // short name in URLs, or the whole path where the CMS has one
	Tags   []string // cache tags that the CMS itself names
}

// A Source reads the deliveries of one CMS. A delivery that changes no content, such as a test, is no change and no error.
type Source func(header http.Header, body []byte) ([]Change, error)

// Tag joins the parts of a tag by colons. Bytes that a tag cannot have, and the percent sign, are percent-encoded, so that
// a slug in any script makes a tag.
func Tag(parts ...string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, 32)
	for i, part := range parts {
		if i > 0 {
			b = append(b, ':')
		}
		for j := range len(part) {
			if c := part[j]; c <= ' ' || c >= 0x7f || c == '%' {
				b = append(b, '%', hex[c>>4], hex[c&15])
			} else {
				b = append(b, c)
			}
		}
	}
	return string(b)
}

// Tags returns the tags that the CMS names; else the type, the type with the id, and the type with the slug.
func Tags(c Change) []string {
	if len(c.Tags) > 0 || c.Type == "" {
		return c.Tags
	}
	tags := []string{Tag(c.Type)}
	for _, name := range []string{c.ID, c.Slug} {
		if name != "" {
			tags = append(tags, Tag(c.Type, name))
		}
	}
	return tags
}

// Decode returns a function for [revalidate.EndpointConfig].Decode that reads source and names the tags of each change. tags
// says which; nil means [Tags]. An empty result for a change ignores it.
func Decode(source Source, tags func(Change) []string) func(*http.Request, []byte) (revalidate.Invalidation, error) {
	if tags == nil {
		tags = Tags
	}
	return func(r *http.Request, body []byte) (revalidate.Invalidation, error) {
		changes, err := source(r.Header, body)
		if err != nil {
			return revalidate.Invalidation{}, err
		}
		var inv revalidate.Invalidation
		for _, c := range changes {
			for _, tag := range tags(c) {
				if !slices.Contains(inv.Tags, tag) {
					inv.Tags = append(inv.Tags, tag)
				}
			}
		}
		return inv, nil
	}
}

// text is a JSON string, or a number as it is written; systems disagree about what an id is.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*t = text(n)
	return nil
}

func read(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: %w", revalidate.ErrBody, err)
	}
	return nil
}

// one is the usual result: a change, or none where nothing says what changed.
func one(c Change) []Change {
	if c.Type == "" && len(c.Tags) == 0 {
		return nil
	}
	return []Change{c}
}

// each is one with the slugs of an entry that has several, once each, or with none.
func each(c Change, slugs []string) []Change {
	if c.Type == "" {
		return nil
	}
	var changes []Change
	for i, slug := range slugs {
		if slug != "" && !slices.Contains(slugs[:i], slug) {
			c.Slug = slug
			changes = append(changes, c)
		}
	}
	if changes == nil {
		return []Change{c}
	}
	return changes
}

// first returns the first that is not empty.
func first(names ...string) string {
	for _, name := range names {
		if name != "" {
			return name
		}
	}
	return ""
}

// lower is for types that a CMS capitalises in one place and not in another.
func lower(s string) string { return strings.ToLower(s) }
