package security

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// Source is one source expression of a [CSP] directive (CSP Level 3, section 2.3.1): one of the constants, a hash made
// by [SourceHash], a scheme such as "https:", or a host such as "https://cdn.example.com" or "*.example.com:8443/path/".
type Source string

// Source expressions with a meaning of their own. Those that take protection away have Insecure in their name.
const (
	SourceNone           Source = "'none'"
	SourceSelf           Source = "'self'"
	SourceAny            Source = "*"
	SourceData           Source = "data:"
	SourceBlob           Source = "blob:"
	SourceHTTPS          Source = "https:"
	SourceStrictDynamic  Source = "'strict-dynamic'"
	SourceReportSample   Source = "'report-sample'"
	SourceUnsafeHashes   Source = "'unsafe-hashes'"
	SourceWasmUnsafeEval Source = "'wasm-unsafe-eval'"
	SourceInsecureInline Source = "'unsafe-inline'"
	SourceInsecureEval   Source = "'unsafe-eval'"

	// SourceNonce is the nonce of the request at hand, which [Nonce] returns. A response that did not ask for its nonce is sent without this source.
	SourceNonce Source = "'nonce-'"
)

// SourceHash returns the expression that allows the inline script or style with exactly this text.
func SourceHash(text string) Source {
	sum := sha256.Sum256([]byte(text))
	return Source("'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
}

// CSP is a Content-Security-Policy (CSP Level 3). NewHeaders refuses every value that could end a directive or begin another.
//
// The zero CSP allows nothing: the directives that nothing else covers are 'none' where they are nil. Other nil directives are
// left out, and the browser applies DefaultSrc.
type CSP struct {
	DefaultSrc     []Source // nil means 'none'
	BaseURI        []Source // nil means 'none'
	FormAction     []Source // nil means 'none'
	FrameAncestors []Source // who may show this page in a frame; nil means 'none'

	ScriptSrc     []Source
	ScriptSrcElem []Source
	ScriptSrcAttr []Source
	StyleSrc      []Source
	StyleSrcElem  []Source
	StyleSrcAttr  []Source
	ImgSrc        []Source
	FontSrc       []Source
	ConnectSrc    []Source
	MediaSrc      []Source
	ObjectSrc     []Source
	FrameSrc      []Source
	ChildSrc      []Source
	WorkerSrc     []Source
	ManifestSrc   []Source

	// Sandbox applies the sandbox directive, with the allowances in SandboxAllow, such as "allow-scripts".
	Sandbox      bool
	SandboxAllow []string

	// UpgradeInsecureRequests makes the browser fetch http URLs of the page by https.
	UpgradeInsecureRequests bool

	// RequireTrustedTypes makes the browser refuse strings where they would become script; TrustedTypes names the
	// policies that may make such values. Nil TrustedTypes leaves the directive out.
	RequireTrustedTypes bool
	TrustedTypes        []string

	// ReportTo is the name of one of HeadersConfig.ReportingEndpoints to which violations are reported; empty means none.
	ReportTo string

	// ReportURI is the URL for browsers that know only the older report-uri directive: absolute, or a path. Empty means none.
	ReportURI string
}

// directives returns the policy in the order it is written.
func (p *CSP) directives() []cspDirective {
	none := []Source{SourceNone}
	return []cspDirective{
		{"default-src", orSources(p.DefaultSrc, none), "DefaultSrc"},
		{"script-src", p.ScriptSrc, "ScriptSrc"},
		{"script-src-elem", p.ScriptSrcElem, "ScriptSrcElem"},
		{"script-src-attr", p.ScriptSrcAttr, "ScriptSrcAttr"},
		{"style-src", p.StyleSrc, "StyleSrc"},
		{"style-src-elem", p.StyleSrcElem, "StyleSrcElem"},
		{"style-src-attr", p.StyleSrcAttr, "StyleSrcAttr"},
		{"img-src", p.ImgSrc, "ImgSrc"},
		{"font-src", p.FontSrc, "FontSrc"},
		{"connect-src", p.ConnectSrc, "ConnectSrc"},
		{"media-src", p.MediaSrc, "MediaSrc"},
		{"object-src", p.ObjectSrc, "ObjectSrc"},
		{"frame-src", p.FrameSrc, "FrameSrc"},
		{"child-src", p.ChildSrc, "ChildSrc"},
		{"worker-src", p.WorkerSrc, "WorkerSrc"},
		{"manifest-src", p.ManifestSrc, "ManifestSrc"},
		{"base-uri", orSources(p.BaseURI, none), "BaseURI"},
		{"form-action", orSources(p.FormAction, none), "FormAction"},
		{"frame-ancestors", p.ancestors(), "FrameAncestors"},
	}
}

type cspDirective struct {
	name    string
	sources []Source
	field   string
}

func (p *CSP) ancestors() []Source { return orSources(p.FrameAncestors, []Source{SourceNone}) }

func orSources(sources, fallback []Source) []Source {
	if sources == nil {
		return fallback
	}
	return sources
}

// cspText is a written policy, cut where the nonce of a request goes: between each two of parts.
type cspText struct {
	parts []string // nil where there is no policy
	plain string   // the policy of a response without a nonce
}

// with returns the policy with nonce in its places.
func (t *cspText) with(nonce string) string { return strings.Join(t.parts, nonce) }

func (t *cspText) usesNonce() bool { return len(t.parts) > 1 }

// write checks the policy, noting its mistakes under field, and returns it written.
func (p *CSP) write(bad *invalid.Config, field string, endpoints map[string]string) cspText {
	var full, plain []string
	for _, d := range p.directives() {
		if d.sources == nil {
			continue
		}
		d.check(bad, field)
		full = append(full, d.text(d.sources))
		plain = append(plain, d.text(slices.DeleteFunc(slices.Clone(d.sources), func(s Source) bool { return s == SourceNonce })))
	}
	rest := p.otherDirectives(bad, field, endpoints)
	full, plain = append(full, rest...), append(plain, rest...)
	return cspText{
		parts: strings.SplitAfter(strings.Join(full, "; "), "'nonce-"),
		plain: strings.Join(plain, "; "),
	}
}

func (d cspDirective) text(sources []Source) string {
	if len(sources) == 0 {
		sources = []Source{SourceNone}
	}
	var b strings.Builder
	b.WriteString(d.name)
	for _, s := range sources {
		b.WriteByte(' ')
		b.WriteString(string(s))
	}
	return b.String()
}

func (d cspDirective) check(bad *invalid.Config, field string) {
	script := strings.HasPrefix(d.name, "script-src") || strings.HasPrefix(d.name, "style-src") || d.name == "default-src"
	for i, s := range d.sources {
		at := field + "." + d.field + "[" + strconv.Itoa(i) + "]"
		switch {
		case s == SourceNone && len(d.sources) > 1:
			bad.Field(at, string(s), "must stand alone")
		case !s.valid():
			bad.Field(at, string(s), "must be one source expression")
		case s[0] == '\'' && s != SourceNone && s != SourceSelf && !script:
			bad.Field(at, string(s), "must be in a directive for scripts or styles")
		}
	}
}

// valid reports whether s is one source expression and nothing else.
func (s Source) valid() bool {
	switch s {
	case SourceNone, SourceSelf, SourceAny, SourceStrictDynamic, SourceReportSample, SourceUnsafeHashes, SourceWasmUnsafeEval, SourceInsecureInline, SourceInsecureEval, SourceNonce:
		return true
	}
	text := string(s)
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' || c == ';' || c == ',' || c == '"' {
			return false
		}
	}
	if inner, ok := strings.CutPrefix(text, "'"); ok {
		return isHash(inner)
	}
	if scheme, ok := strings.CutSuffix(text, ":"); ok {
		return isScheme(scheme)
	}
	return isHostSource(text)
}

// isHash reports whether s is sha256-, sha384- or sha512- and base64, without the opening and with the closing quote.
func isHash(s string) bool {
	name, value, _ := strings.Cut(s, "-")
	value, closed := strings.CutSuffix(value, "'")
	sizes := map[string]int{"sha256": 32, "sha384": 48, "sha512": 64}
	sum, err := base64.StdEncoding.DecodeString(value)
	return closed && err == nil && len(sum) == sizes[name] && len(sum) > 0
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != ""
}

// isHostSource reads [scheme "://"] host [":" port] [path], where the host may begin with "*." and the port be "*".
func isHostSource(s string) bool {
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if !isScheme(scheme) {
			return false
		}
		s = rest
	}
	if i := strings.IndexByte(s, '/'); i >= 0 {
		if strings.ContainsAny(s[i:], "?#'*") {
			return false
		}
		s = s[:i]
	}
	host, port, hasPort := strings.Cut(s, ":")
	if hasPort && port != "*" && !isPort(port) {
		return false
	}
	return isDomain(strings.TrimPrefix(host, "*."))
}

// isDomain reports whether s is made of dot-separated labels of letters, digits, hyphens and underscores.
func isDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return len(s) <= 253
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '0' && s[0] != '+'
}

// otherDirectives writes what is not a list of sources.
func (p *CSP) otherDirectives(bad *invalid.Config, field string, endpoints map[string]string) []string {
	var out []string
	for i, s := range p.SandboxAllow {
		at := field + ".SandboxAllow[" + strconv.Itoa(i) + "]"
		if !strings.HasPrefix(s, "allow-") || !isDomain(s) {
			bad.Field(at, s, "must be an allowance such as allow-scripts")
		} else if !p.Sandbox {
			bad.Field(at, s, "needs Sandbox")
		}
	}
	if p.Sandbox {
		out = append(out, strings.Join(append([]string{"sandbox"}, p.SandboxAllow...), " "))
	}
	if p.UpgradeInsecureRequests {
		out = append(out, "upgrade-insecure-requests")
	}
	if p.RequireTrustedTypes {
		out = append(out, "require-trusted-types-for 'script'")
	}
	for i, s := range p.TrustedTypes {
		if s != "*" && s != "'none'" && s != "'allow-duplicates'" && !isPolicyName(s) {
			bad.Field(field+".TrustedTypes["+strconv.Itoa(i)+"]", s, "must be a policy name")
		}
	}
	if p.TrustedTypes != nil {
		out = append(out, strings.Join(append([]string{"trusted-types"}, p.TrustedTypes...), " "))
	}
	if p.ReportURI != "" {
		if !isEndpoint(p.ReportURI) {
			bad.Field(field+".ReportURI", p.ReportURI, "must be an absolute https URL or a path")
		}
		out = append(out, "report-uri "+p.ReportURI)
	}
	if p.ReportTo != "" {
		if _, ok := endpoints[p.ReportTo]; !ok {
			bad.Field(field+".ReportTo", p.ReportTo, "must be one of ReportingEndpoints")
		}
		out = append(out, "report-to "+p.ReportTo)
	}
	return out
}

// isPolicyName reads tt-policy-name (Trusted Types, section 4.1).
func isPolicyName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-#=_/@.%", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// isEndpoint reports whether s can be where reports go: https with a host, or a path on this origin.
func isEndpoint(s string) bool {
	if strings.ContainsAny(s, ";, '") || !isPlainString(s) {
		return false
	}
	u, err := url.Parse(s)
	if err != nil || u.Fragment != "" || u.User != nil {
		return false
	}
	if u.Scheme == "" {
		return u.Host == "" && strings.HasPrefix(s, "/")
	}
	return u.Scheme == "https" && u.Host != ""
}
