package gatehouse

import (
	"bytes"
	"net/url"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// linkAttribute names, for each element, the attribute that makes a browser load or offer another document.
var linkAttribute = map[atom.Atom]string{
	atom.A: "href", atom.Area: "href", atom.Link: "href",
	atom.Img: "src", atom.Script: "src", atom.Iframe: "src", atom.Source: "src", atom.Video: "src", atom.Audio: "src", atom.Track: "src", atom.Embed: "src", atom.Input: "src",
	atom.Object: "data",
}

// sameSiteLinks returns the targets of body's links that are on the site of base, resolved against the page's own path or
// its base element, without fragment, in document order.
func sameSiteLinks(base, page *url.URL, body []byte) []*url.URL {
	here := base.ResolveReference(page)
	var links []*url.URL
	add := func(raw string) {
		u, err := here.Parse(strings.TrimSpace(raw))
		if err != nil || !sameOrigin(base, u) {
			return
		}
		u.Fragment, u.RawFragment = "", ""
		if u.Path == "" {
			u.Path = "/"
		}
		links = append(links, u)
	}
	tokens := html.NewTokenizer(bytes.NewReader(body))
	based := false
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return links
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			if token.DataAtom == atom.Base && !based {
				if u, err := here.Parse(attribute(token, "href")); err == nil {
					here, based = u, true
				}
			}
			if name, ok := linkAttribute[token.DataAtom]; ok {
				if raw := attribute(token, name); raw != "" {
					add(raw)
				}
			}
			if token.DataAtom == atom.Img || token.DataAtom == atom.Source {
				for candidate := range strings.SplitSeq(attribute(token, "srcset"), ",") {
					if fields := strings.Fields(candidate); len(fields) > 0 {
						add(fields[0])
					}
				}
			}
		default: // text, comments and end tags link to nothing
		}
	}
}

func attribute(token html.Token, name string) string {
	for _, a := range token.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
