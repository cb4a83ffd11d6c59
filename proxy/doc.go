// Package proxy matches requests by the path patterns of Next.js and answers, redirects, rewrites or forwards them.
package proxy
