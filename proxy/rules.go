package proxy

// Rules are the rules of one configuration, in the shape of next.config's arrays. [LoadRules] reads them from JSON.
type Rules struct {
	Redirects []RedirectRule `json:"redirects,omitempty"`
	Rewrites  RewriteRules   `json:"rewrites,omitzero"`
	Headers   []HeaderRule   `json:"headers,omitempty"`
}

// RewriteRules are rewrites by when they are tried.
type RewriteRules struct {
	// Before are tried before the wrapped handler sees the request (beforeFiles).
	Before []RewriteRule `json:"beforeFiles,omitempty"`
	// After are tried when the wrapped handler has no route whose pattern is the path itself (afterFiles).
	After []RewriteRule `json:"afterFiles,omitempty"`
	// Fallback are tried when the wrapped handler has no route at all for the request (fallback).
	Fallback []RewriteRule `json:"fallback,omitempty"`
}

// A RedirectRule sends the client elsewhere.
type RedirectRule struct {
	// Source is a pattern for the path, in [ReadingSource].
	Source string `json:"source"`
	// Destination is a path ("/new/:slug?from=:id") or an absolute http or https URL; its parameters are those of Source and Has.
	Destination string `json:"destination"`
	// Permanent answers 308 where Status is zero; otherwise 307.
	Permanent bool `json:"permanent,omitempty"`
	// Status is 301, 302, 303, 307 or 308. Zero takes it from Permanent.
	Status int `json:"statusCode,omitempty"`
	// Has and Missing are conditions beside the path.
	Has     []Condition `json:"has,omitempty"`
	Missing []Condition `json:"missing,omitempty"`
	// NoBasePath applies the rule outside of the base path ("basePath": false).
	NoBasePath bool `json:"-"`
}

// A RewriteRule serves the request under another path, or by an upstream.
type RewriteRule struct {
	// Source is a pattern for the path, in [ReadingSource].
	Source string `json:"source"`
	// Destination is a path or an absolute URL, as in [RedirectRule].
	Destination string `json:"destination"`
	// Has and Missing are conditions beside the path.
	Has     []Condition `json:"has,omitempty"`
	Missing []Condition `json:"missing,omitempty"`
	// Upgrade lets an upstream turn the connection into a WebSocket. Other protocols are never upgraded to. It is not a part of
	// next.config.
	Upgrade bool `json:"-"`
	// NoBasePath applies the rule outside of the base path ("basePath": false).
	NoBasePath bool `json:"-"`
}

// A HeaderRule sets response headers.
type HeaderRule struct {
	// Source is a pattern for the path, in [ReadingSource].
	Source string `json:"source"`
	// Headers are set in order; their names and values may hold parameters.
	Headers []HeaderField `json:"headers"`
	// Has and Missing are conditions beside the path.
	Has     []Condition `json:"has,omitempty"`
	Missing []Condition `json:"missing,omitempty"`
	// NoBasePath applies the rule outside of the base path ("basePath": false).
	NoBasePath bool `json:"-"`
}

// A HeaderField is one header that a rule sets.
type HeaderField struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}
