package security

import (
	"net/url"
	"strings"
)

// maxKeyName bounds how much of a name is looked at: a longer one is data, not a name.
const maxKeyName = 96

// secretStems mark a name wherever they occur in it once its separators are taken out: "db_password", "X-Api-Key",
// "accessTokenValue".
var secretStems = [...]string{
	"password", "passwd", "passphrase", "passcode", "secret", "token", "apikey", "authorization", "cookie", "credential",
	"privatekey", "accesskey", "signingkey", "encryptionkey", "masterkey", "sharedkey", "secretkey", "hmackey",
	"sessionid", "sessid", "authkey", "connectionstring", "jwt", "bearer", "csrf", "xsrf",
}

// secretWords mark a name only as a whole word of it: they are too short to be looked for inside others.
var secretWords = [...]string{"pwd", "pass", "pw", "auth", "otp", "totp", "pin", "cvv", "cvc", "sid", "session", "signature", "sig", "dsn", "assertion", "samlresponse"}

// plainEndings make a name harmless although it holds a stem: what it names describes a secret and is none ("token_type",
// "password_length"). They count only where the value is a number or a time, or the name is in plainNames.
var plainEndings = [...]string{"count", "length", "len", "size", "ttl", "expiry", "expires", "expiresin", "expiresat", "limit", "used", "remaining", "age", "tokens"}

var plainNames = [...]string{"tokentype", "authtype", "authscheme", "tokencount", "tokenizer", "secretname", "tokenname", "authmethod", "signaturemethod", "sessionstate"}

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
	wordStart, found := 0, false
	word := func() {
		w := squashed[wordStart:]
		for _, s := range secretWords {
			found = found || string(w) == s
		}
		wordStart = len(squashed)
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
	if len(k.more) > 0 && k.more[string(squashed)] {
		return true
	}
	for _, plain := range plainNames {
		if string(squashed) == plain {
			return false
		}
	}
	if found {
		return true
	}
	for _, stem := range secretStems {
		if containsBytes(squashed, stem) {
			return true
		}
	}
	return false
}

// describes reports whether a secret's name goes with a number or a time that only describes it.
func (k keySet) describes(name string) bool {
	squashed := squash(name)
	if k.more[squashed] {
		return false
	}
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

func containsBytes(b []byte, s string) bool {
	for i := 0; i+len(s) <= len(b); i++ {
		if string(b[i:i+len(s)]) == s {
			return true
		}
	}
	return false
}
