package provider_test

import (
	"crypto"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestMailgun(t *testing.T) {
	mac := hex.EncodeToString(hmacOver(crypto.SHA256, "key", "1764000000tok"))
	block := func(timestamp, token, signature string) string {
		return fmt.Sprintf(`{"signature":{"timestamp":%s,"token":%q,"signature":%q},"event-data":{"event":"opened"}}`, timestamp, token, signature)
	}
	multipart := "--b\r\nContent-Disposition: form-data; name=\"timestamp\"\r\n\r\n1764000000\r\n--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\ntok\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"signature\"\r\n\r\n" + mac + "\r\n--b\r\nContent-Disposition: form-data; name=\"event\"\r\n\r\nopened\r\n--b--\r\n"
	for _, row := range []struct {
		name, mediaType, body string
		want                  error
	}{
		{"JSON", "application/json", block(`"1764000000"`, "tok", mac), nil},
		{"a time that is a number", "", block(`1764000000`, "tok", mac), nil},
		{"a form", "application/x-www-form-urlencoded", "timestamp=1764000000&token=tok&signature=" + mac + "&event=opened", nil},
		{"a form that says nothing of itself", "", "timestamp=1764000000&token=tok&signature=" + mac, nil},
		{"a multipart form", "multipart/form-data; boundary=b", multipart, nil},
		{"a multipart form with a charset", "multipart/form-data; charset=utf-8; Boundary=\"b\"", multipart, nil},
		{"a multipart form with two boundaries", "multipart/form-data; boundary=b; boundary=c", multipart, webhook.ErrPayload},
		{"a multipart form with another parameter", "multipart/form-data; boundary=b; x=y", multipart, webhook.ErrPayload},
		{"a multipart form with a file", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"token\"; filename=\"x\"\r\n\r\nno\r\n" + multipart, nil},
		{"a multipart form that ends within a field", "multipart/form-data; boundary=b", multipart[:len(multipart)-12], webhook.ErrPayload},
		{"a multipart form of many parts", "multipart/form-data; boundary=b", strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n", 1001) + multipart, webhook.ErrPayload},
		{"a multipart form that ends early", "multipart/form-data; boundary=b", multipart[:60], webhook.ErrPayload},
		{"a multipart form without a boundary", "multipart/form-data", multipart, webhook.ErrPayload},
		{"a form that cannot be read", "", "%zz", webhook.ErrPayload},
		{"a form with two tokens", "", "timestamp=1764000000&token=tok&token=x&signature=" + mac, webhook.ErrSignatureFormat},
		{"a form with two names", "", "timestamp=1764000000&token=tok&event=opened&event=clicked&signature=" + mac, webhook.ErrSignatureFormat},
		{"a parent's signature", "", strings.Replace(block(`"1764000000"`, "tok", mac), `"signature":"`, `"signature":"`+strings.Repeat("0", 64)+`","parent-signature":"`, 1), nil},
		{"JSON that is cut short", "", block(`"1764000000"`, "tok", mac)[:40], webhook.ErrPayload},
		{"two signatures", "", `{"signature":{},` + block(`"1764000000"`, "tok", mac)[1:], webhook.ErrPayload},
		{"no signature", "", `{"event-data":{}}`, webhook.ErrNoSignature},
		{"no token", "", block(`"1764000000"`, "", mac), webhook.ErrNoSignature},
		{"a token with a border in it", "", block(`"1764000000"`, "to.k", mac), webhook.ErrSignatureFormat},
		{"another token", "", block(`"1764000000"`, "tox", mac), webhook.ErrSignature},
		{"a digit moved from time to token", "", block(`"176400000"`, "0tok", mac), webhook.ErrTooOld},
		{"a time that is none", "", block(`"NaN"`, "tok", mac), webhook.ErrTimestamp},
		{"a time that is an object", "", block(`{}`, "tok", mac), webhook.ErrPayload},
		{"a time beyond the bound", "", block(`"`+strings.Repeat("0", 1023)+`"`, "tok", mac), webhook.ErrPayload},
		{"a token that is a number", "", `{"signature":{"timestamp":1764000000,"token":1,"signature":"` + mac + `"}}`, webhook.ErrPayload},
		{"a signature that is no object", "", `{"signature":[]}`, webhook.ErrPayload},
		{"a signature that is null", "", `{"signature":null}`, webhook.ErrNoSignature},
		{"a member whose name is escaped", "", strings.Replace(block(`"1764000000"`, "tok", mac), `"token"`, `"\u0074oken"`, 1), nil},
		{"two tokens, one under a name that is escaped", "", strings.Replace(block(`"1764000000"`, "tok", mac), `"token"`, `"\u0074oken":"tok","token"`, 1), webhook.ErrPayload},
		{"a multipart form whose boundary is none", "multipart/form-data; boundary", multipart, webhook.ErrPayload},
		{"a signature in capitals", "", block(`"1764000000"`, "tok", strings.ToUpper(mac)), webhook.ErrSignatureFormat},
	} {
		d := delivery{scheme: provider.Mailgun{Secrets: secret("key")}, body: row.body, header: map[string]string{"Content-Type": row.mediaType}}
		check(t, row.name, d, row.want)
		e := describe(d.prepared(t), d.request(t), []byte(row.body), webhook.Proof{})
		if row.want == nil && e.ID != "tok" {
			t.Errorf("%s: id %q", row.name, e.ID)
		}
		if strings.Contains(row.body, "event") && row.want == nil && e.Type != "opened" {
			t.Errorf("%s: type %q", row.name, e.Type)
		}
	}
}
