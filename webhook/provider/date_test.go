package provider_test

import (
	"crypto"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// A date is read as package time reads it, or not at all.
func FuzzDate(f *testing.F) {
	for _, text := range []string{
		"2025-11-24T16:00:00Z", "2025-11-24T16:00:00.123456789123+23:59", "2024-02-29T00:00:00-01:30", "2025-02-29T00:00:00Z", "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z",
		"2025-01-00T00:00:00Z", "2025-01-01T24:00:00Z", "2025-01-01T00:60:00Z", "2025-01-01T23:59:60Z", "2025-11-24T16:00:00.Z", "2025-11-24T6:00:00Z", "0000-01-01T00:00:00Z",
		"2025-11-24t16:00:00z", "2025-11-24T16:00:00+24:00", "2025-11-24T16:00:00+0000", "2025-11-24T16:00:00", "+025-11-24T16:00:00Z", "",
	} {
		f.Add(text)
	}
	timed := provider.HMAC{
		Name: "acme", Header: "X-Signature", Signed: "{timestamp}.{body}", TimestampHeader: "X-Timestamp", TimestampFormat: provider.RFC3339, Secrets: secret("s"),
	}
	d := delivery{scheme: timed}
	d.setup.InsecureAnyAge = true
	v := d.prepared(f)
	f.Fuzz(func(t *testing.T, text string) {
		r := delivery{}.request(t)
		r.Header.Set("X-Timestamp", text)
		r.Header.Set("X-Signature", hex.EncodeToString(hmacOver(crypto.SHA256, "s", text+".")))
		proof, err := v.Verify(r, nil, now)
		want, wrong := time.Parse(time.RFC3339, text)
		switch {
		case err == nil && wrong != nil:
			t.Fatalf("%q is accepted: %v", text, wrong)
		case err == nil && !proof.SentAt.Equal(want):
			t.Fatalf("%q is read as %v, want %v", text, proof.SentAt, want)
		case err != nil && wrong == nil && strings.HasSuffix(text, "Z") && want.Format(time.RFC3339) == text:
			t.Fatalf("%q: %v", text, err)
		}
	})
}
