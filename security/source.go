package security

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
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

// valid reports whether s is one source expression and nothing else.
func (s Source) valid() bool {
	if slices.Contains([]Source{
		SourceNone, SourceSelf, SourceAny, SourceStrictDynamic, SourceReportSample, SourceUnsafeHashes, SourceWasmUnsafeEval, SourceInsecureInline, SourceInsecureEval, SourceNonce,
	}, s) {
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

// isBareKeyword reports whether s is a keyword, nonce or hash whose quotes were forgotten.
func (s Source) isBareKeyword() bool {
	text := strings.ToLower(string(s))
	for _, prefix := range []string{"nonce-", "sha256-", "sha384-", "sha512-"} {
		if strings.HasPrefix(text, prefix) && !strings.Contains(text, ".") {
			return true
		}
	}
	return slices.Contains([]Source{
		SourceNone, SourceSelf, SourceStrictDynamic, SourceReportSample, SourceUnsafeHashes, SourceWasmUnsafeEval, SourceInsecureInline, SourceInsecureEval,
	}, Source("'"+text+"'"))
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
		switch {
		case c >= 'a' && c <= 'z':
		case i > 0 && (c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
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
			if c := label[i]; !isAlnum(c) && c != '-' && c != '_' {
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
