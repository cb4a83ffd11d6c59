// Package proxy matches requests by the path patterns of Next.js and answers, redirects, rewrites or forwards them.
//
// A [Proxy] applies the rules of one configuration to the requests on their way to a handler; its documentation says in
// which order. The pieces that it is made of can be used alone: a [Pattern] matches a path, [Conditions] a request, a
// [Destination] or [Template] puts the parameters found by them to use. All are compiled once and match without a lock.
//
//	rules, err := proxy.New(proxy.Config{
//		Redirects: []proxy.RedirectRule{{Source: "/old/:slug", Destination: "/new/:slug", Permanent: true}},
//	})
//	if err != nil {
//		return err
//	}
//	server.Handler = rules.Wrap(mux)
//
// # Patterns
//
// Patterns are those of path-to-regexp 6.3, which Next.js uses:
//
//	/blog/:slug              a parameter takes one segment
//	/docs/:path*             a list of segments, which may be none; + takes one or more, ? at most one
//	/u/:id(\d+)-:name        a parameter with an expression of its own
//	/a{/page-:n}?            braces put text before and after a parameter, and a modifier behind both
//	/((?!api|_next).*)       a group without a name; lookahead (?=...) and (?!...)
//	/a\:b                    a backslash makes the next character plain
//
// Expressions mean what they mean in JavaScript: a dot takes no line break, \w, \d and \b know ASCII, letters of either
// case fold without the Unicode flag, text is a sequence of UTF-16 code units. The same pattern is read in three ways, see
// [Reading]. Use [Except] for the usual exclusion, and look at [Pattern.Warnings] or [Pattern.Explain] when in doubt.
//
// Matching takes time linear in the path, whatever the pattern: the number of steps is at most twice the instructions of
// the pattern times the length of the path. Plain patterns and exclusions take no step of that machine at all.
//
// # Differences from path-to-regexp and Next.js
//
// Each is one rule; everything else that is compiled here matches and expands as it does there.
//
//	backreference, lookbehind                   refused: they cannot be matched in linear time
//	a count over 1000, an expression of over    refused: compiling a pattern is bounded, and so is the memory
//	6000 instructions, groups 200 deep          of a match
//	a group with a name inside of a group       refused: Next.js throws on each path that matches
//	a class that a group does not close         refused: ([) reaches into what follows
//	a value that ends inside of a surrogate     holds half of the bytes of that character, as there is no UTF-8
//	pair                                        for half of it
//	a choice as a condition's value, a|b        takes a or b; Next.js takes what begins with a or ends with b
//	an address in brackets as host, [::1]:80    is [::1]; Next.js cuts it at its first colon
//	a group of a condition that took no part    leaves an earlier parameter of its name as it is
//	a destination that cannot be filled for     refused when it is compiled; Next.js throws for each such request
//	each match, and :a:b in a destination
//	a backslash before a colon in the query     makes the colon text; Next.js throws for each such request
//	of a destination
//	a host that is a number, 0x7f.1             refused: it would be read as an address
//	a parameter in the name of a query          refused: Next.js writes its own placeholder into the URL
//	parameter
//	a parameter in the host                     only to hosts that are allowed; Next.js takes any
//	a path "//" of a redirect or its Location   one slash; what a client sends names no other host
package proxy
