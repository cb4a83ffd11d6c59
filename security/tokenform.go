package security

import "strings"

// The beginnings of tokens that providers made recognisable for scanners, by their first byte. Sources: the providers' own documents of
// their key formats.
var (
	prefixesUpperA = []string{"AKIA", "ASIA", "AIza"}                                                                      // AWS, Google
	prefixesD      = []string{"dop_v1_", "dckr_pat_"}                                                                      // DigitalOcean, Docker
	prefixesUpperE = []string{"EAACEdEose0cBA"}                                                                            // Facebook
	prefixesG      = []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glcbt-"} // GitHub, GitLab
	prefixesH      = []string{"hf_", "hvs."}                                                                               // Hugging Face, Vault
	prefixesL      = []string{"lin_api_"}                                                                                  // Linear
	prefixesN      = []string{"npm_"}                                                                                      // npm
	prefixesUpperG = []string{"GOCSPX-"}                                                                                   // Google
	prefixesP      = []string{"pypi-"}                                                                                     // PyPI
	prefixesUpperP = []string{"PMAK-"}                                                                                     // Postman
	prefixesR      = []string{"rk_live_", "rk_test_", "rubygems_"}                                                         // Stripe, RubyGems
	prefixesS      = []string{"sk_live_", "sk_test_", "sk-", "shpat_", "shpss_", "sq0atp-", "sq0csp-"}                     // Stripe, OpenAI and Anthropic, Shopify, Square
	prefixesUpperS = []string{"SG."}                                                                                       // SendGrid
	prefixesW      = []string{"whsec_"}                                                                                    // Stripe, Standard Webhooks
	prefixesX      = []string{"xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xapp-"}                                        // Slack
	prefixesY      = []string{"ya29."}                                                                                     // Google
)

// tokenPrefixes returns the beginnings that begin with c.
func tokenPrefixes(c byte) []string {
	switch c {
	case 'A':
		return prefixesUpperA
	case 'E':
		return prefixesUpperE
	case 'G':
		return prefixesUpperG
	case 'P':
		return prefixesUpperP
	case 'S':
		return prefixesUpperS
	case 'd':
		return prefixesD
	case 'g':
		return prefixesG
	case 'h':
		return prefixesH
	case 'l':
		return prefixesL
	case 'n':
		return prefixesN
	case 'p':
		return prefixesP
	case 'r':
		return prefixesR
	case 's':
		return prefixesS
	case 'w':
		return prefixesW
	case 'x':
		return prefixesX
	case 'y':
		return prefixesY
	}
	return nil
}

// minToken is the fewest bytes that must follow a prefix: less is the prefix in a sentence.
const minToken = 12

// tokenAt returns the place of a token that begins at the word s[i:], or an empty one.
func tokenAt(s string, i int, seen *run) (start, end int) {
	switch s[i] {
	case 'e':
		if strings.HasPrefix(s[i:], "eyJ") {
			return i, jwtEnd(s, i, seen)
		}
	case 'b', 'B':
		if start, end = credentials(s, i); end > start {
			return start, end
		}
	}
	if start, end = apiKeyAt(s, i); end > start {
		return start, end
	}
	for _, prefix := range tokenPrefixes(s[i]) {
		if !strings.HasPrefix(s[i:], prefix) {
			continue
		}
		end = i + len(prefix)
		for end < len(s) && (isWordByte(s[end]) || s[end] == '_' || s[end] == '-' || s[end] == '.' || s[end] == '+' || s[end] == '/') {
			end++
		}
		if end-i-len(prefix) >= minToken {
			return i, end
		}
	}
	return i, i
}

// apiKeyAt returns the place of the secret of one of this package's API keys at i, which their check tells from all else; the prefix
// and the id may be seen.
func apiKeyAt(s string, i int) (start, end int) {
	mark := strings.IndexByte(s[i:min(len(s), i+maxKeyPrefix+1)], '_')
	end = i + mark + keyIDLength + keySecretLength + keyCheckLength + 2
	if mark < 2 || end > len(s) {
		return i, i
	}
	if _, _, whole := parseKey(s[i:i+mark], s[i:end]); !whole {
		return i, i
	}
	return end - keySecretLength - keyCheckLength, end
}

// A run is the stretch of base64url characters and dots that was looked at last: what begins within it need not be looked at
// again, or a text of many beginnings would cost its square.
type run struct{ end, lastDot int }

// jwtEnd returns the end of a JSON Web Token in compact form at i (RFC 7515, section 7.1), or i: a base64url object followed
// by at least one more part.
func jwtEnd(s string, i int, seen *run) int {
	if i >= seen.end {
		seen.end, seen.lastDot = i, -1
		for seen.end < len(s) && (isWordByte(s[seen.end]) || s[seen.end] == '-' || s[seen.end] == '_' || s[seen.end] == '.') {
			if s[seen.end] == '.' {
				seen.lastDot = seen.end
			}
			seen.end++
		}
	}
	if seen.lastDot < i || seen.end-i < 20 {
		return i
	}
	return seen.end
}

// credentials returns the place of what follows "Bearer " or "Basic " (RFC 6750 and 7617) at i, or an empty one.
func credentials(s string, i int) (start, end int) {
	for _, scheme := range [...]string{"bearer", "basic"} {
		if len(s)-i <= len(scheme) || !strings.EqualFold(s[i:i+len(scheme)], scheme) {
			continue
		}
		start = i + len(scheme)
		if s[start] != ' ' && s[start] != '+' && !strings.HasPrefix(s[start:], "%20") {
			return i, i
		}
		for start < len(s) && (s[start] == ' ' || s[start] == '+') {
			start++
		}
		if strings.HasPrefix(s[start:], "%20") {
			start += 3
		}
		end = start
		for end < len(s) && (isTokenByte(s[end]) || s[end] == '%') {
			end++
		}
		if isChallengeWord(s[start:end]) {
			return i, i
		}
		return start, end
	}
	return i, i
}

// isChallengeWord tells the sentences in which the two words also occur from credentials.
func isChallengeWord(s string) bool {
	switch strings.TrimRight(s, ".") {
	case "", "token", "tokens", "auth", "authentication", "authorization", "scheme", "credential", "credentials", "challenge",
		"realm", "is", "was", "or", "and", "error", "in", "for", "from", "check", "access", "info", "data", "usage", "example":
		return true
	}
	return strings.HasPrefix(s, "realm=") || strings.HasPrefix(s, "error=") || strings.HasPrefix(s, "scope=")
}

// maxPEMLabel is more than any label and its dashes take.
const maxPEMLabel = 80

// pemAt returns the end of a private key in PEM (RFC 7468) whose dashes begin at i, or i.
func pemAt(s string, i int) int {
	const begin = "-----BEGIN "
	if !strings.HasPrefix(s[i:], begin) {
		return i
	}
	label := s[i+len(begin):]
	stop := strings.Index(label[:min(len(label), maxPEMLabel)], "-----")
	if stop < 0 || !strings.Contains(label[:stop], "PRIVATE KEY") {
		return i
	}
	const closing = "-----END "
	rest := label[stop:]
	at := strings.Index(rest, closing)
	if at < 0 {
		return len(s)
	}
	end := strings.Index(rest[at+len(closing):], "-----")
	if end < 0 {
		return len(s)
	}
	return i + len(begin) + stop + at + len(closing) + end + len("-----")
}
