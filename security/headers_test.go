package security_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-go/gatehouse/security"
)

func mustHeaders(t testing.TB, c security.HeadersConfig) *security.Headers {
	t.Helper()
	h, err := security.NewHeaders(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func overTLS(method, target string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.TLS = &tls.ConnectionState{}
	return r
}

func TestZeroHeadersAreStrict(t *testing.T) {
	w := serve(mustHeaders(t, security.HeadersConfig{}).Wrap(http.HandlerFunc(noContent)), overTLS("GET", "https://example.com/"))
	for name, want := range map[string]string{
		"Content-Security-Policy":      "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"Strict-Transport-Security":    "max-age=31536000",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy": "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), " +
			"local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=(), xr-spatial-tracking=()",
	} {
		if got := w.Result().Header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func ExampleNewHeaders() {
	headers, err := security.NewHeaders(security.HTMLHeaders())
	if err != nil {
		fmt.Println(err)
		return
	}
	page := headers.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<script nonce=%q>start()</script>", security.Nonce(r.Context()))
	}))
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Header().Get("X-Frame-Options"), w.Header().Get("Cache-Control"))
	// Output: DENY no-store
}
