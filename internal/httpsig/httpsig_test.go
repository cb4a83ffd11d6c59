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

func input(tb testing.TB, text string) httpsig.Member {
	tb.Helper()
	members, err := httpsig.ParseDictionary([]string{"sig=" + text})
	if err != nil || len(members) != 1 {
		tb.Fatalf("%s: %v, %v", text, members, err)
	}
	return members[0]
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
	base, err := httpsig.Base(input(t, `("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`), r.URL, r, 18)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, decode(t, "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="))
	mac.Write(base)
	if got := base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=" {
		t.Errorf("hmac-sha256: %s over\n%s", got, base)
	}
	base, err = httpsig.Base(input(t, `("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`), r.URL, r, 18)
	if err != nil {
		t.Fatal(err)
	}
	x, err := base64.RawURLEncoding.DecodeString("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs")
	if err != nil {
		t.Fatal(err)
	}
	signature := decode(t, "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==")
	if !httpsig.Verify(ed25519.PublicKey(x), "ed25519", base, signature) {
		t.Errorf("ed25519: not verified over\n%s", base)
	}
	if httpsig.Verify(ed25519.PublicKey(x), "ed25519", append(base, '\n'), signature) {
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
		base, err := httpsig.Base(input(t, "("+component+")"), r.URL, r, 7)
		if want := component + ": " + want + "\n\"@signature-params\": (" + component + ")"; err != nil || string(base) != want {
			t.Errorf("%s: got %s, %v", component, base, err)
		}
	}
	for _, component := range []string{`tok`, `"@nothing"`, `"X-Lines"`, `"x-missing"`, `"@status"`, `"x-lines";bs`, `"x-lines";sf`, `"@method";req`, `"@query-param"`, `"@query-param";name=7`, `"@query-param";name="nothing"`, `"@method" "@method"`, `"x lines"`, `""`} {
		if base, err := httpsig.Base(input(t, "("+component+")"), r.URL, r, 7); !errors.Is(err, httpsig.ErrBase) {
			t.Errorf("%s: got %s, %v", component, base, err)
		}
	}
	r.Header["X-Lines"] = []string{"a\nb: c"}
	if _, err := httpsig.Base(input(t, `("x-lines")`), r.URL, r, 7); !errors.Is(err, httpsig.ErrBase) {
		t.Errorf("a line break in a value: %v", err)
	}
	if _, err := httpsig.Base(input(t, `("content-length")`), r.URL, r, -1); !errors.Is(err, httpsig.ErrBase) {
		t.Errorf("an unknown length: %v", err)
	}
	bare, _ := http.NewRequest("GET", "http://example.com:80", nil)
	base, err := httpsig.Base(input(t, `("@path" "@query" "@authority")`), bare.URL, bare, 0)
	if err != nil || !strings.HasPrefix(string(base), "\"@path\": /\n\"@query\": ?\n\"@authority\": example.com\n") {
		t.Errorf("a bare URL: %s, %v", base, err)
	}
	other := &url.URL{Scheme: "ws", Host: "A:1"}
	if base, _ = httpsig.Base(input(t, `("@authority")`), other, bare, 0); !strings.HasPrefix(string(base), "\"@authority\": a:1\n") {
		t.Errorf("another scheme: %s", base)
	}
}

func TestParseDictionary(t *testing.T) {
	for _, row := range []struct{ name, in, out string }{
		{"a list with parameters", `sig=("a" "b";x;y=?0 tok 7 :aGk=:);created=1;keyid="k\"\\";n=-5`, `("a" "b";x;y=?0 tok 7 :aGk=:);created=1;keyid="k\"\\";n=-5`},
		{"spaces", `sig=(  "a"   "b"  )`, `("a" "b")`},
		{"an empty list", `sig=()`, `()`},
	} {
		m := input(t, strings.TrimPrefix(row.in, "sig="))
		if got := string(m.AppendList(nil)); got != row.out || m.Key != "sig" || !m.IsList {
			t.Errorf("%s: got %s", row.name, got)
		}
	}
	members, err := httpsig.ParseDictionary([]string{`a=:aGk=:`, `b;x=1, c=?1`})
	if err != nil || len(members) != 3 || members[0].Item.Text != "hi" || members[1].Item.Num != 1 || len(members[1].Params) != 1 {
		t.Errorf("several lines: %v, %v", members, err)
	}
	for _, bad := range []string{`=`, `A=1`, `a=`, `a=1,`, `a=1 b`, `a=1, a=2`, `a=(`, `a=("b"`, `a=("b""c")`, `a=(=)`, `a=("b";)`, `a=("b";c=)`, `a="b`, `a="b\c"`, "a=\"\x7f\"", `a=:x`, `a=:!:`, `a=?2`, `a=1.5`, `a=-`, `a=1234567890123456`, `a=1;b;b`, `a=1;B`, `a=%`} {
		if members, err := httpsig.ParseDictionary([]string{bad}); !errors.Is(err, httpsig.ErrField) {
			t.Errorf("%s: %v, %v", bad, members, err)
		}
	}
	if _, err := httpsig.ParseDictionary([]string{strings.Repeat("a,", 100)}); err == nil {
		t.Error("a dictionary without bound")
	}
	if members, err := httpsig.ParseDictionary(nil); err != nil || len(members) != 0 {
		t.Errorf("no field: %v, %v", members, err)
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

// The digests of RFC 9530, appendix D, of {"hello": "world"} without a line feed.
func TestContentDigest(t *testing.T) {
	body := []byte(`{"hello": "world"}`)
	const digest = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
	if got := httpsig.ContentDigest(body); got != digest {
		t.Errorf("got %s", got)
	}
	const other = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
	for _, row := range []struct {
		name string
		line string
		want error
	}{
		{"sha-256", digest, nil},
		{"sha-512", other, nil},
		{"both, and one that is unknown", digest + ", " + other + ", md5=:aGk=:", nil},
		{"one right and one wrong", digest + ", sha-512=:aGk=:", httpsig.ErrDigest},
		{"a list", "sha-256=()", httpsig.ErrDigest},
		{"a text", `sha-256="x"`, httpsig.ErrDigest},
		{"none that is secure", "md5=:aGk=:", httpsig.ErrNoDigest},
		{"nothing", "", httpsig.ErrNoDigest},
		{"no dictionary", "!", httpsig.ErrField},
	} {
		if err := httpsig.CheckDigest([]string{row.line}, body); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// What is read is written back to what reads the same.
func FuzzParseDictionary(f *testing.F) {
	for _, s := range []string{`sig=("a" "b";x);created=1`, `a=:aGk=:, b`, `a=(tok ?0 -7);k="\\"`, `a=((`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		members, err := httpsig.ParseDictionary([]string{text})
		if err != nil {
			return
		}
		for _, m := range members {
			if !m.IsList {
				continue
			}
			once := string(m.AppendList([]byte(m.Key + "=")))
			again, err := httpsig.ParseDictionary([]string{once})
			if err != nil || len(again) != 1 || string(again[0].AppendList([]byte(m.Key+"="))) != once {
				t.Fatalf("%q: %q, %v", text, once, err)
			}
		}
	})
}
