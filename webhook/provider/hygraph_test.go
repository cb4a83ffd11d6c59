package provider_test

import (
	"crypto"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestHygraphEscapesAsJavaScriptDoes(t *testing.T) {
	for _, row := range []struct{ name, body, escaped string }{
		{"nothing", `{}`, `{}`},
		{"quotation marks and backslashes", `{"a":"\n"}`, `{\"a\":\"\\n\"}`},
		{"what HTML would escape", `<a href='x'>&</a>`, `<a href='x'>&</a>`},
		{"control characters", "\x00\b\f\n\r\t\x1f\x7f", `\u0000\b\f\n\r\t\u001f` + "\x7f"},
		{"beyond ASCII", "é日𝄞", "é日𝄞"},
		{"line separators, which JSON.stringify leaves", "\u2028\u2029", "\u2028\u2029"},
		{"the replacement character itself", "\ufffd", "\ufffd"},
		{"more than a buffer", strings.Repeat("\"é", 5000), strings.Repeat(`\"é`, 5000)},
	} {
		signed := `{"Body":"` + row.escaped + `","EnvironmentName":"master","TimeStamp":1764000000000}`
		signature := base64.StdEncoding.EncodeToString(hmacOver(crypto.SHA256, "s", signed))
		d := delivery{
			scheme: provider.Hygraph{Secrets: secret("s")}, body: row.body,
			header: map[string]string{"gcms-signature": "sign=" + signature + ", env=master, t=1764000000000"},
		}
		check(t, row.name, d, nil)
	}
	for _, body := range []string{"\xff", "a\xc3", "\xed\xa0\x80"} {
		signature := base64.StdEncoding.EncodeToString(hmacOver(crypto.SHA256, "s", `{"Body":"`+body+`","EnvironmentName":"master","TimeStamp":1764000000000}`))
		d := delivery{
			scheme: provider.Hygraph{Secrets: secret("s")}, body: body,
			header: map[string]string{"gcms-signature": "sign=" + signature + ", env=master, t=1764000000000"},
		}
		check(t, "a body that is not UTF-8", d, webhook.ErrPayload)
	}
}
