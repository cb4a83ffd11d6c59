package testsender

import (
	"crypto/sha1" //nolint:gosec // a hub may choose it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
)

// specifications are the schemes of standards that anyone may send by.
func specifications() []Provider {
	return []Provider{
		WebSub("sha256", sha256.New),
		// RFC 9421, section 2.5, with the digest of RFC 9530.
		{ID: "rfc9421", Keys: base64Keys(), Clock: Seconds, Proof: "Signature", Strong: true, URL: true, Send: func(d Delivery) Request {
			key, _ := base64.StdEncoding.DecodeString(d.Key.Sender)
			sum := sha256.Sum256([]byte(d.Body))
			digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
			params := `("@method" "@target-uri" "content-digest");created=` + d.Time + `;nonce="n-1"`
			base := "\"@method\": POST\n\"@target-uri\": " + d.URL + "\n\"content-digest\": " + digest + "\n\"@signature-params\": " + params
			return d.post("Content-Digest", digest, "Signature-Input", "sig1="+params, "Signature", "sig1=:"+base256(string(key), base)+":")
		}},
	}
}

func base64Keys() [3]Key {
	return texts("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=")
}

// WebSub is a hub that signs by the method with this name (W3C WebSub, section 7).
func WebSub(method string, h func() hash.Hash) Provider {
	return Provider{ID: "websub", Keys: plain(), Body: "<feed/>", Proof: "X-Hub-Signature", Prefix: method + "=", Hex: true, Strong: true, Send: func(d Delivery) Request {
		r := d.post("X-Hub-Signature", method+"="+hex.EncodeToString(mac(h, d.Key.Sender, d.Body)), "Link", `<https://example.com/feed>; rel="self"`)
		r.Header.Set("Content-Type", "application/atom+xml")
		return r
	}}
}

// Variants are other ways in which some of the providers sign.
func Variants() []Provider {
	return []Provider{
		Asymmetric(), TwilioJSON(), AdyenPlatform(), SNSVersion1(), WebSub("sha1", sha1.New), WebSub("sha384", sha512.New384), WebSub("sha512", sha512.New),
	}
}
