package provider_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// BenchmarkVerify is one check with the body in memory, beside the keyed hash alone: the limit that no receiver can beat.
func BenchmarkVerify(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		body := append(append([]byte(`{"a":"`), bytes.Repeat([]byte("x"), size-8)...), `"}`...)
		b.Run(fmt.Sprintf("hmac/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			h := hmac.New(sha256.New, []byte("secret"))
			var sum [sha256.Size]byte
			for b.Loop() {
				h.Reset()
				h.Write(body)
				h.Sum(sum[:0])
			}
		})
		for _, id := range []string{"github", "stripe", "slack", "standardwebhooks"} {
			b.Run(fmt.Sprintf("%s/%d", id, size), func(b *testing.B) {
				scheme, r, sent, verifying := signed(b, id, string(body))
				v, err := scheme.Prepare(webhook.Setup{Secrets: []webhook.Secret{verifying}})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					if _, err := v.Verify(r, sent, now); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
