// Package reqcopy is about middleware that calls its handler with a copy of the request, as it must to change the context or the URL.
package reqcopy

import "net/http"

// HandBack gives outer what a handler left in its copy, inner: the pattern that matched, for what logs around, and a form in files, which
// net/http removes by the request that it made. inner may be outer.
func HandBack(outer, inner *http.Request) {
	if inner == outer {
		return
	}
	outer.Pattern = inner.Pattern
	if outer.MultipartForm == nil {
		outer.MultipartForm = inner.MultipartForm
	}
}
