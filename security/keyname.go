package security

import (
	"net/url"
	"strings"
)

// maxKeyName bounds how much of a name is looked at: a longer one is data, not a name.
const maxKeyName = 96

// stemAt reports whether squashed begins with one of the stems that mark a name wherever they occur in it once its separators are
// taken out: "db_password", "X-Api-Key", "accessTokenValue".
func stemAt(squashed []byte) bool {
	switch squashed[0] {
	case 'a':
		return hasAnyPrefix(squashed, "apikey", "authorization", "accesskey", "authkey")
	case 'b':
		return hasAnyPrefix(squashed, "bearer")
	case 'c':
		return hasAnyPrefix(squashed, "cookie", "credential", "connectionstring", "csrf")
	case 'e':
		return hasAnyPrefix(squashed, "encryptionkey")
	case 'h':
		return hasAnyPrefix(squashed, "hmackey")
	case 'j':
		return hasAnyPrefix(squashed, "jwt")
	case 'm':
		return hasAnyPrefix(squashed, "masterkey")
	case 'p':
		return hasAnyPrefix(squashed, "password", "passwd", "passphrase", "passcode", "privatekey")
	case 's':
		return hasAnyPrefix(squashed, "secret", "sessionid", "sessid", "signingkey", "sharedkey")
	case 't':
		return hasAnyPrefix(squashed, "token")
	case 'x':
		return hasAnyPrefix(squashed, "xsrf")
	}
	return false
}

func hasAnyPrefix(b []byte, prefixes ...string) bool {
	for _, p := range prefixes {
		if len(b) >= len(p) && string(b[:len(p)]) == p {
			return true
		}
	}
	return false
}

// isSecretWord reports whether w, a whole word of a name, marks it: these are too short to be looked for inside others.
func isSecretWord(w []byte) bool {
	switch string(w) {
	case "pwd", "pass", "pw", "auth", "otp", "totp", "pin", "cvv", "cvc", "sid", "session", "signature", "sig", "dsn", "assertion", "samlresponse":
		return true
	}
	return false
}

// plainEndings make a name harmless although it holds a stem: what it names describes a secret and is none
// ("password_length"). They count only where the value is a number or a time.
var plainEndings = [...]string{"count", "length", "len", "size", "ttl", "expiry", "expires", "expiresin", "expiresat", "limit", "used", "remaining", "age", "tokens"}

// isPlainName reports whether a name is harmless although it holds a stem.
func isPlainName(squashed []byte) bool {
	switch string(squashed) {
	case "tokentype", "authtype", "authscheme", "tokencount", "tokenizer", "secretname", "tokenname", "authmethod", "signaturemethod", "sessionstate":
		return true
	}
	return false
}

// A keySet decides by its name whether a value is secret. Names are compared without case and separators, so that apiKey,
// api_key, API-Key and "api key" are one.
type keySet struct {
	more map[string]bool // squashed names the application added
}

// secret reports whether a value of this name is to be hidden.
func (k keySet) secret(name string) bool {
	if len(name) < 2 || len(name) > maxKeyName {
		return false
	}
	if strings.IndexByte(name, '%') >= 0 { // a query's name may be written in any encoding
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
	}
	var buf [maxKeyName]byte
	squashed := buf[:0]
	var starts [maxWords + 1]int // of the words, and the end of the last
	words, found := 0, false
	word := func() {
		if len(squashed) == starts[words] {
			return
		}
		found = found || isSecretWord(squashed[starts[words]:])
		if words < maxWords {
			words++
		}
		starts[words] = len(squashed)
	}
	lower := false // the byte before was a lower-case letter or a digit
	for i := range len(name) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			if lower {
				word()
			}
			c |= 0x20
			squashed = append(squashed, c)
			lower = false
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c >= 0x80:
			squashed = append(squashed, c)
			lower = true
		default:
			word()
			lower = false
		}
	}
	word()
	if len(k.more) > 0 && k.holds(squashed, starts[:words+1]) {
		return true
	}
	if isPlainName(squashed) {
		return false
	}
	if found {
		return true
	}
	for i := range squashed {
		if stemAt(squashed[i:]) {
			return true
		}
	}
	return false
}

// maxWords is how many words of a name are looked at one by one.
const maxWords = 12

// holds reports whether words that follow one another make one of the names that the application added.
func (k keySet) holds(squashed []byte, starts []int) bool {
	for i, from := range starts {
		for _, to := range starts[i+1:] {
			if k.more[string(squashed[from:to])] {
				return true
			}
		}
	}
	return false
}

// describes reports whether a secret's name goes with a number or a time that only describes it.
func (k keySet) describes(name string) bool {
	squashed := squash(name)
	for _, end := range plainEndings {
		if strings.HasSuffix(squashed, end) {
			return true
		}
	}
	return false
}

// squash writes a name in lower case without its separators.
func squash(name string) string {
	b := make([]byte, 0, len(name))
	for i := range len(name) {
		switch c := name[i]; {
		case 'A' <= c && c <= 'Z':
			b = append(b, c|0x20)
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c >= 0x80:
			b = append(b, c)
		}
	}
	return string(b)
}
