package testsender

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// inBody are the providers whose signature stands in the body, of some of its fields.
func inBody() []Provider {
	return []Provider{
		// documentation.mailgun.com, securing webhooks: time and token alone.
		{ID: "mailgun", Keys: plain(), Body: `{"event-data":{"event":"opened"}}`, Clock: Seconds, Hex: true, Strong: true, Signed: memberOf("signature"), Send: func(d Delivery) Request {
			const token = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0" //nolint:gosec // nobody's
			d.Body = `{"signature":{"timestamp":` + stringified(d.Time) + `,"token":"` + token + `","signature":"` + hex256(d.Key.Sender, d.Time+token) + `"},` + d.Body[1:]
			return d.post()
		}},
		// docs.adyen.com, verify HMAC signatures: eight fields of each notification, under the key as hexadecimal says it.
		{ID: "adyen", Keys: hexKeys(), Body: adyenNotification, Strong: true, Signed: adyenFields, Send: func(d Delivery) Request {
			key, _ := hex.DecodeString(d.Key.Sender)
			signature := base64.StdEncoding.EncodeToString(mac(sha256.New, string(key), "7914073381342284::TestMerchant:TestPayment-1:1130:EUR:AUTHORISATION:true"))
			d.Body = strings.ReplaceAll(d.Body, "{signature}", signature)
			return d.post()
		}},
	}
}

const adyenNotification = `{"live":"false","notificationItems":[{"NotificationRequestItem":{"pspReference":"7914073381342284","merchantAccountCode":"TestMerchant",` +
	`"merchantReference":"TestPayment-1","amount":{"value":1130,"currency":"EUR"},"eventCode":"AUTHORISATION","success":"true","additionalData":{"hmacSignature":"{signature}"}}}]}`

func hexKeys() [3]Key {
	return texts("DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00", strings.Repeat("ab", 32), strings.Repeat("0F", 32))
}

func adyenFields(body []byte) string {
	var list struct {
		Items []struct {
			Item struct {
				PspReference, OriginalReference, MerchantAccountCode, MerchantReference, EventCode string

				Success        any
				Amount         struct{ Value, Currency any }
				AdditionalData struct{ HmacSignature string }
			} `json:"NotificationRequestItem"`
		} `json:"notificationItems"`
	}
	if json.Unmarshal(body, &list) != nil {
		return ""
	}
	return fmt.Sprint(list)
}

// AdyenPlatform is Adyen for platforms: the whole body, in the field HmacSignature.
func AdyenPlatform() Provider {
	return Provider{ID: "adyen", Keys: hexKeys(), Body: `{"type":"balancePlatform.transfer.created"}`, Proof: "Hmacsignature", Strong: true, Send: func(d Delivery) Request {
		key, _ := hex.DecodeString(d.Key.Sender)
		return d.post("HmacSignature", base64.StdEncoding.EncodeToString(mac(sha256.New, string(key), d.Body)))
	}}
}
