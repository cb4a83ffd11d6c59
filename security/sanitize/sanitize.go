// Package sanitize takes markup that users wrote down to what is safe to show to others: plain text, a few elements of HTML,
// or a URL.
//
// It does so by allow-lists over a tokeniser, with bluemonday, and never by taking out what looks bad. Sanitise where text
// comes in or where it goes out, and escape all the same: html/template escapes Text and URL for their place, and takes HTML
// as template.HTML.
package sanitize

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// ErrURL is the reason for which [Policy.URL] refuses a URL. It is answered 422.
var ErrURL = refusal.New(http.StatusUnprocessableEntity, "URL is not safe to link to")

// Config says what a [Policy] lets through. The zero value is right for comments and the like.
type Config struct {
	// Images keeps images in HTML, from https URLs only. Each tells its server who reads the page, so zero drops them.
	Images bool

	// Schemes are those that links may have, in lower case. Nil means https, http and mailto. Schemes that run code, such as javascript,
	// are refused.
	Schemes []string

	// NoRelative refuses links within the site, which have no scheme.
	NoRelative bool

	// MaxBytes bounds the text that is looked at; what is longer is cut. Zero means 1 MiB.
	MaxBytes int
}

// Policy sanitises text. It is safe for concurrent use.
type Policy struct {
	strict   *bluemonday.Policy
	content  *bluemonday.Policy
	schemes  []string
	relative bool
	limit    int
}

// New returns a Policy, or every mistake in c.
func New(c Config) (*Policy, error) {
	bad := invalid.Config{Package: "sanitize"}
	if c.Schemes == nil {
		c.Schemes = []string{"https", "http", "mailto"}
	}
	for i, s := range c.Schemes {
		if !isScheme(s) || slices.Contains([]string{"javascript", "vbscript", "livescript", "data", "blob", "file", "filesystem", "view-source", "about"}, s) {
			bad.Field("Config.Schemes["+strconv.Itoa(i)+"]", s, "must be a scheme in lower case that runs no code")
		}
	}
	if c.MaxBytes < 0 {
		bad.Field("Config.MaxBytes", c.MaxBytes, "must not be negative")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 1 << 20
	}
	p := &Policy{strict: bluemonday.StrictPolicy(), schemes: slices.Clone(c.Schemes), relative: !c.NoRelative, limit: c.MaxBytes}
	p.content = p.userContent(c.Images)
	return p, nil
}

// linkPattern takes what may be a link: no control characters, no backslash, which browsers read as a slash, and not two slashes
// at the beginning, which name another host. Schemes are judged apart.
const linkPattern = `^(?:/?[^/\\\x00-\x20\x7f][^\\\x00-\x20\x7f]*|/)$`

// imagePattern takes https URLs only.
const imagePattern = `^https://[^/\\\x00-\x20\x7f][^\\\x00-\x20\x7f]*$`

// userContent allows the elements that a text of paragraphs, lists, tables and quotes is made of. No id, name or class is
// kept: they reach into the page's scripts and styles (DOM clobbering).
func (p *Policy) userContent(images bool) *bluemonday.Policy {
	b := bluemonday.NewPolicy()
	b.AllowElements(
		"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td",
		"a", "abbr", "b", "cite", "code", "del", "dfn", "em", "i", "ins", "kbd", "mark", "q", "s", "samp", "small", "strong", "sub", "sup", "time", "u", "var",
	)
	b.AllowAttrs("href").Matching(regexp.MustCompile(linkPattern)).OnElements("a")
	b.AllowAttrs("title").Matching(bluemonday.Paragraph).OnElements("a", "abbr", "dfn")
	b.AllowAttrs("datetime").Matching(bluemonday.ISO8601).OnElements("time")
	b.AllowAttrs("colspan", "rowspan").Matching(bluemonday.Integer).OnElements("td", "th")
	b.AllowAttrs("dir").Matching(bluemonday.Direction).Globally()
	for _, scheme := range p.schemes {
		b.AllowURLSchemeWithCustomPolicy(scheme, p.links)
	}
	b.AllowRelativeURLs(p.relative)
	b.RequireParseableURLs(true)
	b.RequireNoFollowOnLinks(true)
	b.RequireNoReferrerOnLinks(true)
	if images {
		b.AllowAttrs("src").Matching(regexp.MustCompile(imagePattern)).OnElements("img")
		b.AllowAttrs("alt").Matching(bluemonday.Paragraph).OnElements("img")
		b.AllowAttrs("width", "height").Matching(bluemonday.Integer).OnElements("img")
	}
	return b
}

// links reports whether an absolute URL may be linked to.
func (p *Policy) links(u *url.URL) bool {
	if !slices.Contains(p.schemes, u.Scheme) || u.User != nil {
		return false
	}
	return u.Host != "" || u.Scheme != "http" && u.Scheme != "https"
}

// Text returns s as plain text, without any markup: escape it for the place where it is shown, as html/template does. The content
// of scripts and styles goes with them. Markup that was escaped to come back as markup is taken out as well. Bytes that are no
// UTF-8 and control characters other than tabs and line breaks are dropped.
func (p *Policy) Text(s string) string {
	s = p.plain(s)
	for range 4 { // each round undoes one level of escaping
		next := html.UnescapeString(p.strict.Sanitize(s))
		if next == s {
			return s
		}
		s = next
	}
	return p.strict.Sanitize(s) // escaped deeper than any text: leave it escaped
}

// HTML returns s with the elements that a text is made of (paragraphs, lists, tables, emphasis, links) and nothing else: no scripts,
// styles, forms, frames, event handlers, ids or classes. Links get rel="nofollow noreferrer". It may be shown as it is inside an element
// that holds text.
func (p *Policy) HTML(s string) string {
	return p.content.Sanitize(p.plain(s))
}

// maxURL is as long as a URL may be, in bytes.
const maxURL = 2048

// URL returns s as it may be linked to: re-serialised, of an allowed scheme and without a user, or a path of this site where
// relative ones are allowed. The error is [ErrURL]. It does not say where a redirect may lead: a link may lead anywhere.
func (p *Policy) URL(s string) (string, error) {
	s = strings.Trim(s, " \t\r\n\f")
	if s == "" || len(s) > maxURL || !utf8.ValidString(s) {
		return "", ErrURL
	}
	for i := range len(s) {
		if s[i] <= 0x20 || s[i] == 0x7f || s[i] == '\\' {
			return "", ErrURL // browsers drop or repair these, and arrive at another URL
		}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", ErrURL
	case u.Scheme != "":
		if !p.links(u) {
			return "", ErrURL
		}
	case !p.relative || u.Host != "" || strings.HasPrefix(s, "//"):
		return "", ErrURL
	}
	if s = u.String(); s == "" || len(s) > maxURL { // "#" leads nowhere; escapes make a URL longer
		return "", ErrURL
	}
	return s, nil
}

// Fields returns the functions for struct fields with a sanitize tag: "text", "html" and "url", which empties what is no safe
// URL. It is what security.DecodeConfig takes as Sanitize.
func (p *Policy) Fields() map[string]func(string) string {
	return map[string]func(string) string{
		"text": p.Text,
		"html": p.HTML,
		"url": func(s string) string {
			u, _ := p.URL(s) // "" with an error
			return u
		},
	}
}

// plain bounds s and drops what no text holds.
func (p *Policy) plain(s string) string {
	if len(s) > p.limit {
		s = s[:p.limit]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}
