package provider

import (
	"crypto"
	"slices"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// withDefaults fills in what is zero and writes header names as net/http keeps them.
func (s HMAC) withDefaults() HMAC {
	if s.Hash == 0 {
		s.Hash = crypto.SHA256
	}
	if s.Signed == "" {
		s.Signed = "{body}"
	}
	if s.timed() && s.Contract.Tolerance == 0 {
		s.Contract.Tolerance = defaultTolerance
	}
	if s.IDHeader != "" && s.EventID.Header == "" && s.EventID.JSON == nil {
		s.EventID.Header = s.IDHeader
	}
	s.EventType, s.EventID = s.EventType.clone(), s.EventID.clone()
	s.Contract.Methods, s.Contract.HandshakeMethods = slices.Clone(s.Contract.Methods), slices.Clone(s.Contract.HandshakeMethods)
	s.Contract.MediaTypes, s.Contract.ContentEncodings = slices.Clone(s.Contract.MediaTypes), slices.Clone(s.Contract.ContentEncodings)
	s.Contract.SecretHeaders, s.Contract.SecretQuery = slices.Clone(s.Contract.SecretHeaders), slices.Clone(s.Contract.SecretQuery)
	s.Header, s.TimestampHeader, s.IDHeader = canonical(s.Header), canonical(s.TimestampHeader), canonical(s.IDHeader)
	return s
}

// timed reports whether deliveries carry a signed time.
func (s HMAC) timed() bool {
	return s.TimestampHeader != "" || s.TimestampField != "" || s.TimestampJSON != ""
}

func (s HMAC) check(c *invalid.Config) {
	if !validID(s.Name) {
		c.Field("Name", s.Name, "must be lower case letters, digits and hyphens")
	}
	if !validField(s.Header) {
		c.Field("Header", s.Header, "must be a header field")
	}
	for _, f := range []struct{ field, name string }{{"TimestampHeader", s.TimestampHeader}, {"IDHeader", s.IDHeader}} {
		if f.name != "" && !validField(f.name) {
			c.Field(f.field, f.name, "must be a header field")
		}
	}
	if !s.Hash.Available() {
		c.Field("Hash", uint(s.Hash), "must be an available crypto.Hash, such as crypto.SHA256")
	}
	if s.Encoding >= encodings {
		c.Field("Encoding", s.Encoding, "must be Hex, Base64 or Base64URL")
	}
	if s.SecretFormat >= secretFormats {
		c.Field("SecretFormat", s.SecretFormat, "must be RawSecret, HexSecret or Base64Secret")
	}
	if s.TimestampFormat >= timeFormats {
		c.Field("TimestampFormat", s.TimestampFormat, "must be UnixSeconds, UnixMillis or RFC3339")
	}
	if (s.SignatureField != "" || s.TimestampField != "") && s.Separator == "" {
		c.Hidden("Separator", "must be given with SignatureField and TimestampField")
	}
	if s.TimestampField != "" && s.SignatureField == "" {
		c.Hidden("SignatureField", "must be given with TimestampField")
	}
	if s.Contract.Tolerance < 0 {
		c.Field("Contract.Tolerance", s.Contract.Tolerance, "must not be negative")
	}
}

// checkTemplate looks for what would be accepted without being signed.
func (v *hmacVerifier) checkTemplate(c *invalid.Config) {
	t := v.template
	if t == nil {
		return
	}
	if !t.has(partBody) && !t.has(partBodyJSON) {
		c.Field("Signed", v.Signed, "must have {body}: a body that is not hashed can be replaced")
	}
	sources := 0
	for _, s := range []string{v.TimestampHeader, v.TimestampField, v.TimestampJSON} {
		if s != "" {
			sources++
		}
	}
	switch {
	case sources > 1:
		c.Hidden("TimestampHeader", "must be the only one of TimestampHeader, TimestampField and TimestampJSON")
	case sources == 0 && t.has(partTimestamp):
		c.Hidden("TimestampHeader", "must be given, or TimestampField: Signed has {timestamp}")
	case (v.TimestampHeader != "" || v.TimestampField != "") && !t.has(partTimestamp):
		c.Field("Signed", v.Signed, "must have {timestamp}: a time that is not hashed can be replaced")
	}
	if t.has(partID) && v.IDHeader == "" {
		c.Hidden("IDHeader", "must be given: Signed has {id}")
	}
	if (t.has(partField) || t.has(partFieldJSON)) && v.SignatureField == "" {
		c.Hidden("SignatureField", "must be given: Signed has {field:…}")
	}
	if v.IDHeader != "" && !t.has(partID) {
		c.Field("Signed", v.Signed, "must have {id}; an id that is not hashed belongs in EventID")
	}
}

// validID reports whether id can be a provider's id.
func validID(id string) bool {
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return id != ""
}
