package security

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

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
		d.check(bad, field, d.governsScripts(p))
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

// governsScripts reports whether the browser asks d where code may come from.
func (d cspDirective) governsScripts(p *CSP) bool {
	return strings.HasPrefix(d.name, "script-src") || d.name == "object-src" || d.name == "default-src" && (p.ScriptSrc == nil || p.ObjectSrc == nil)
}

func (d cspDirective) check(bad *invalid.Config, field string, code bool) {
	script := strings.HasPrefix(d.name, "script-src") || strings.HasPrefix(d.name, "style-src") || d.name == "default-src"
	for i, s := range d.sources {
		at := field + "." + d.field + "[" + strconv.Itoa(i) + "]"
		switch {
		case s == SourceNone && len(d.sources) > 1:
			bad.Field(at, string(s), "must stand alone")
		case s.isBareKeyword():
			bad.Field(at, string(s), "must be in single quotes: it is the name of a host without them")
		case code && slices.Contains([]Source{SourceData, "javascript:", "filesystem:"}, s):
			bad.Field(at, string(s), "must not be where scripts come from: whoever can write such a URL writes the script")
		case !s.valid():
			bad.Field(at, string(s), "must be one source expression")
		case s[0] == '\'' && s != SourceNone && s != SourceSelf && !script:
			bad.Field(at, string(s), "must be in a directive for scripts or styles")
		}
	}
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
		if c := s[i]; !isAlnum(c) && strings.IndexByte("-#=_/@.%", c) < 0 {
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
