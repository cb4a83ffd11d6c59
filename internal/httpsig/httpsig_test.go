package httpsig_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/httpsig"
)

// example is the request of RFC 9421, appendix B.2.
func example(tb testing.TB) *http.Request {
	tb.Helper()
	r, err := http.NewRequest("POST", "https://example.com/foo?param=Value&Pet=dog", nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Date", "Tue, 20 Apr 2021 02:07:55 GMT")
	r.Header.Set("Content-Type", "application/json")
	return r
}

func input(tb testing.TB, text string) *httpsig.Member {
	tb.Helper()
	var d httpsig.Dictionary
	if err := d.Parse([]string{"sig=" + text}); err != nil || len(d.Members) != 1 {
		tb.Fatalf("%s: %v, %v", text, d.Members, err)
	}
	return &d.Members[0]
}

// base returns the signature base of a request that was sent to public, in a room of its own.
func base(input *httpsig.Member, public *url.URL, r *http.Request, length int64) ([]byte, error) {
	target := httpsig.NewTarget(public)
	return new(httpsig.Room).Base(input, httpsig.Request{Request: r, Target: &target, Length: length})
}

func decode(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// The signatures of RFC 9421, appendices B.2.5 and B.2.6.
func TestPublishedSignatures(t *testing.T) {
	r := example(t)
	signed, err := base(input(t, `("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`), r.URL, r, 18)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, decode(t, "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="))
	mac.Write(signed)
	if got := base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=" {
		t.Errorf("hmac-sha256: %s over\n%s", got, signed)
	}
	signed, err = base(input(t, `("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`), r.URL, r, 18)
	if err != nil {
		t.Fatal(err)
	}
	x, err := base64.RawURLEncoding.DecodeString("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs")
	if err != nil {
		t.Fatal(err)
	}
	signature := decode(t, "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==")
	if !httpsig.Verify(ed25519.PublicKey(x), "ed25519", signed, signature) {
		t.Errorf("ed25519: not verified over\n%s", signed)
	}
	if httpsig.Verify(ed25519.PublicKey(x), "ed25519", append(signed, '\n'), signature) {
		t.Error("ed25519: verified over another base")
	}
}

// The components of RFC 9421, section 2.2, with its own values.
func TestBaseComponents(t *testing.T) {
	r, err := http.NewRequest("POST", "https://WWW.example.com:443/path?param=value&foo=bar&baz=batman&qux=&a%2Fb=c%20d+e", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["X-Lines"] = []string{" a ", "b"}
	for component, want := range map[string]string{
		`"@method"`:                   "POST",
		`"@target-uri"`:               "https://WWW.example.com:443/path?param=value&foo=bar&baz=batman&qux=&a%2Fb=c%20d+e",
		`"@authority"`:                "www.example.com",
		`"@scheme"`:                   "https",
		`"@request-target"`:           "/path?param=value&foo=bar&baz=batman&qux=&a%2Fb=c%20d+e",
		`"@path"`:                     "/path",
		`"@query"`:                    "?param=value&foo=bar&baz=batman&qux=&a%2Fb=c%20d+e",
		`"@query-param";name="baz"`:   "batman",
		`"@query-param";name="qux"`:   "",
		`"@query-param";name="a%2Fb"`: "c%20d%20e",
		`"x-lines"`:                   "a, b",
		`"host"`:                      "WWW.example.com:443",
		`"content-length"`:            "7",
	} {
		signed, err := base(input(t, "("+component+")"), r.URL, r, 7)
		if want := component + ": " + want + "\n\"@signature-params\": (" + component + ")"; err != nil || string(signed) != want {
			t.Errorf("%s: got %s, %v", component, signed, err)
		}
	}
	for _, component := range []string{`tok`, `"@nothing"`, `"X-Lines"`, `"x-missing"`, `"@status"`, `"x-lines";bs`, `"x-lines";sf`, `"@method";req`, `"@query-param"`, `"@query-param";name=7`, `"@query-param";name="nothing"`, `"@method" "@method"`, `"@query-param";name="baz" "@query-param";name="baz"`, `"x lines"`, `""`} {
		if signed, err := base(input(t, "("+component+")"), r.URL, r, 7); !errors.Is(err, httpsig.ErrBase) {
			t.Errorf("%s: got %s, %v", component, signed, err)
		}
	}
	if signed, err := base(input(t, `("@query-param";name="foo" "@query-param";name="baz")`), r.URL, r, 7); err != nil {
		t.Errorf("two parameters: %s, %v", signed, err)
	}
	r.Header["X-Large"] = []string{strings.Repeat("a", 4<<20)}
	if signed, err := base(input(t, `("x-large")`), r.URL, r, 7); !errors.Is(err, httpsig.ErrBase) {
		t.Errorf("a base of 4 MiB: %d bytes, %v", len(signed), err)
	}
	r.Header["X-Lines"] = []string{"a\nb: c"}
	if _, err := base(input(t, `("x-lines")`), r.URL, r, 7); !errors.Is(err, httpsig.ErrBase) {
		t.Errorf("a line break in a value: %v", err)
	}
	if _, err := base(input(t, `("content-length")`), r.URL, r, -1); !errors.Is(err, httpsig.ErrBase) {
		t.Errorf("an unknown length: %v", err)
	}
	bare, _ := http.NewRequest("GET", "http://example.com:80", nil)
	signed, err := base(input(t, `("@path" "@query" "@authority")`), bare.URL, bare, 0)
	if err != nil || !strings.HasPrefix(string(signed), "\"@path\": /\n\"@query\": ?\n\"@authority\": example.com\n") {
		t.Errorf("a bare URL: %s, %v", signed, err)
	}
	other := &url.URL{Scheme: "ws", Host: "A:1"}
	if signed, _ = base(input(t, `("@authority")`), other, bare, 0); !strings.HasPrefix(string(signed), "\"@authority\": a:1\n") {
		t.Errorf("another scheme: %s", signed)
	}
}

func TestVerifyJudgesByTheKey(t *testing.T) {
	base := []byte("base")
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(key *ecdsa.PrivateKey, digest []byte) []byte {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			t.Fatal(err)
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
	d256, d384, d512 := sha256.Sum256(base), sha512.Sum384(base), sha512.Sum512(base)
	pss, _ := rsa.SignPSS(rand.Reader, rsaKey, crypto.SHA512, d512[:], &rsa.PSSOptions{SaltLength: 64})
	v15, _ := rsa.SignPKCS1v15(rand.Reader, rsaKey, crypto.SHA256, d256[:])
	for _, row := range []struct {
		name, algorithm string
		key             crypto.PublicKey
		signature       []byte
	}{
		{"ed25519", "ed25519", public, ed25519.Sign(private, base)},
		{"P-256", "ecdsa-p256-sha256", &p256.PublicKey, sign(p256, d256[:])},
		{"P-384", "ecdsa-p384-sha384", &p384.PublicKey, sign(p384, d384[:])},
		{"RSA-PSS", "rsa-pss-sha512", &rsaKey.PublicKey, pss},
		{"RSA PKCS #1", "rsa-v1_5-sha256", &rsaKey.PublicKey, v15},
	} {
		if !httpsig.Verify(row.key, row.algorithm, base, row.signature) || !httpsig.Verify(row.key, "", base, row.signature) {
			t.Errorf("%s: not verified", row.name)
		}
		changed := append([]byte(nil), row.signature...)
		changed[len(changed)/2] ^= 1
		if httpsig.Verify(row.key, row.algorithm, base, changed) || httpsig.Verify(row.key, row.algorithm, base, row.signature[1:]) || httpsig.Verify(row.key, row.algorithm, []byte("other"), row.signature) || httpsig.Verify(row.key, "hmac-sha256", base, row.signature) {
			t.Errorf("%s: verified what it must not", row.name)
		}
	}
	if httpsig.Verify(&p521.PublicKey, "", base, sign(p521, d512[:])) || httpsig.Verify("key", "", base, nil) || httpsig.Verify(ed25519.PublicKey("short"), "", base, make([]byte, 64)) {
		t.Error("a key of another kind verifies something")
	}
}
