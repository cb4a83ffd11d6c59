package proxy

import "strings"

// Except returns a pattern that matches every path except those named, for the Source of a [Matcher]:
//
//	proxy.Except("/api", "/assets", "*.png")
//
// A path leaves out itself and what lies below it: "/api" leaves out /api and /api/users but not /apix, which the usual
// /((?!api).*) of Next.js lets pass unseen. "/" leaves out the root alone. An ending such as "*.png" leaves out every path that
// ends so; mind that a client may put it behind any path that your handler takes. A star inside of a path stands for any
// text without a slash. An empty string leaves out nothing.
//
// The pattern has no parameters that a rule could use, and every other character stands for itself.
func Except(paths ...string) string {
	var out []string
	for _, p := range paths {
		ending := strings.HasPrefix(p, "*")
		p = strings.TrimPrefix(p, "*")
		switch {
		case ending:
			out = append(out, ".*"+starred(p)+"$")
		case p == "/":
			out = append(out, "$")
		case p != "":
			out = append(out, starred(strings.Trim(p, "/"))+"(?:/|$)")
		}
	}
	if len(out) == 0 {
		return "/(.*)"
	}
	return "/((?!" + strings.Join(out, "|") + ").*)"
}

// starred writes text as a regular expression in which a star is any text without a slash.
func starred(text string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c == '*':
			b.WriteString("[^/]*")
			continue
		case strings.IndexByte(`.+?=^!:${}()[]|\`, c) >= 0:
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
