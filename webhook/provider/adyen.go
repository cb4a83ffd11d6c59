package provider

import (
	"crypto"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// Adyen is the scheme of Adyen's standard webhooks for payments, and of those for platforms and management.
//
// A standard delivery is a list of notifications. Each carries its signature in additionalData.hmacSignature: HMAC-SHA256, as base64, of
// eight of its fields joined by ":" (pspReference, originalReference, merchantAccountCode, merchantReference, amount.value, amount.currency,
// eventCode, success). ALL ELSE IS NOT SIGNED: do not trust the other fields. A colon in a field is not escaped: a notification that has
// one elsewhere than in the merchant's own reference is refused, since it could have been moved there. Every notification must carry a
// signature that matches; one that does not refuses the delivery.
//
// Where the field HmacSignature is given, the delivery is one for platforms: its HMAC-SHA256, as base64, of the whole body.
//
// Type is eventCode where all notifications have the same, for platforms the member type. ID is "pspReference:eventCode:success" where there is
// one notification. Deduplication goes by these of all notifications, for platforms by the body. No time is signed. An event is answered
// "[accepted]", which older endpoints had to answer; any 2xx will do today. Adyen waits 10 seconds and retries for 30 days.
//
// Source: https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures and adyen-node-api-library
// hmacValidator; for the retries https://docs.adyen.com/development-resources/webhooks/troubleshoot
type Adyen struct {
	// Secrets are the HMAC keys of the webhook, in hexadecimal as the Customer Area shows them, newest first. At least one is required.
	Secrets []webhook.Secret
}

const adyenSignature = "Hmacsignature" // as net/http keeps HmacSignature

// Provider returns "adyen".
func (Adyen) Provider() string { return "adyen" }

// Prepare returns a Verifier, or every mistake in s.
func (s Adyen) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &adyenVerifier{keys: adyenKeys(setup, s.Secrets, &c)}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// adyenKeys returns a keyed hash for each secret.
func adyenKeys(setup webhook.Setup, own []webhook.Secret, c *invalid.Config) []*keyed {
	var keys []*keyed
	for i, secret := range secretsOf(setup, own, c) {
		key, rule := HexSecret.decode(secret.Reveal(), "")
		if rule == "" && len(key) < 16 {
			rule = "must have at least 16 bytes"
		}
		if rule != "" {
			c.Hidden(secretField(i), rule)
			continue
		}
		keys = append(keys, newKeyed(i, secret.ID(), crypto.SHA256, key))
	}
	return keys
}

// adyenVerifier is Adyen made ready.
type adyenVerifier struct {
	keys  []*keyed
	rooms room[strictReader]
}

// Contract returns what Adyen promises and expects.
func (*adyenVerifier) Contract() webhook.Contract {
	return webhook.Contract{
		Accepted:    webhook.Reply{Body: []byte("[accepted]")},
		AckTimeout:  10 * time.Second,
		RetryWindow: 30 * 24 * time.Hour,
	}
}

// Verify checks the signature of the whole body where the header has it, else that of every notification.
func (v *adyenVerifier) Verify(r *http.Request, body []byte, _ time.Time) (webhook.Proof, error) {
	if len(r.Header[adyenSignature]) > 0 {
		signature, err := only(r.Header, adyenSignature)
		if err != nil {
			return webhook.Proof{}, err
		}
		return v.accept(func(key *keyed) bool { return adyenBody(key, signature, body) }, plausible(Base64, signature, crypto.SHA256.Size()))
	}
	read := v.rooms.begin()
	defer v.rooms.end(read)
	defer read.forget()
	list, err := adyenList(read, body)
	if err != nil {
		return webhook.Proof{}, err
	}
	n, wellFormed := 0, true
	for element := range elementsIn(list) {
		var item adyenItem
		if !item.read(read, element) {
			return webhook.Proof{}, fmt.Errorf("%w: notification %d is none of Adyen's", webhook.ErrPayload, n)
		}
		if len(item.signature) == 0 {
			return webhook.Proof{}, fmt.Errorf("%w: notification %d has no hmacSignature", webhook.ErrNoSignature, n)
		}
		wellFormed = wellFormed && plausible(Base64, item.signature, crypto.SHA256.Size())
		n++
	}
	if n == 0 {
		return webhook.Proof{}, fmt.Errorf("%w: no HmacSignature and no notificationItems", webhook.ErrNoSignature)
	}
	return v.accept(func(key *keyed) bool { return adyenAll(read, key, list) }, wellFormed)
}

// accept accepts when one key matches. Nothing does when a signature is not well formed.
func (v *adyenVerifier) accept(matches func(*keyed) bool, wellFormed bool) (webhook.Proof, error) {
	if !wellFormed {
		return webhook.Proof{}, fmt.Errorf("%w: not base64 of 32 bytes", webhook.ErrSignatureFormat)
	}
	for _, key := range v.keys {
		if matches(key) {
			return webhook.Proof{Secret: key.index, KeyID: key.id}, nil
		}
	}
	return webhook.Proof{}, webhook.ErrSignature
}

// adyenBody reports whether signature is that of body.
func adyenBody(key *keyed, signature string, body []byte) bool {
	s := key.begin()
	defer key.end(s)
	s.hash.Write(body)
	return same(signature, s.encoded(Base64))
}

// adyenAll reports whether all notifications in list are signed by key.
func adyenAll(read *strictReader, key *keyed, list []byte) bool {
	matched := true
	for element := range elementsIn(list) {
		var item adyenItem
		matched = item.read(read, element) && item.isSignedBy(key) && matched
	}
	return matched
}

// Describe fills in what e says of itself.
func (*adyenVerifier) Describe(r *http.Request, e *webhook.Event) {
	if len(e.Header[adyenSignature]) > 0 {
		i := identity{provider: "adyen", bodySigned: true, typ: Source{JSON: []string{"type"}}}
		i.Describe(r, e)
		return
	}
	items, err := adyenItems(e.Body)
	if err != nil || len(items) == 0 {
		return
	}
	parts := [][]byte{[]byte("items")}
	e.Type, e.TypeSigned = items[0].text(adyenEventCode), true
	for i := range items {
		item := &items[i]
		parts = append(parts, []byte(item.text(adyenReference)+":"+item.text(adyenEventCode)+":"+item.text(adyenSuccess)))
		if item.text(adyenEventCode) != e.Type {
			e.Type, e.TypeSigned = "", false
		}
	}
	if len(items) == 1 {
		e.ID, e.IDSigned = string(parts[1]), true
	}
	e.Key = webhook.NewKey("adyen", parts...)
}

// Sign signs each notification of body, which is a standard delivery or becomes the one notification in it.
func (Adyen) Sign(r *http.Request, body []byte, _ time.Time, key webhook.Secret) ([]byte, error) {
	c := invalid.Config{Package: "provider"}
	keys := adyenKeys(webhook.Setup{Secrets: []webhook.Secret{key}}, nil, &c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	setMethod(r, webhook.Contract{})
	prepared, err := edit(body, func(object map[string]any) {
		for _, element := range objectsIn(object, "notificationItems") {
			if _, ok := element["NotificationRequestItem"].(map[string]any); !ok {
				item := map[string]any{}
				for name, value := range element {
					item[name] = value
					delete(element, name)
				}
				element["NotificationRequestItem"] = item
			}
		}
	})
	if err != nil {
		return nil, err
	}
	items, err := adyenItems(prepared)
	if err != nil {
		return nil, err
	}
	return edit(prepared, func(object map[string]any) {
		for i, element := range objectsIn(object, "notificationItems") {
			item, _ := element["NotificationRequestItem"].(map[string]any) // which it was made above
			data, ok := item["additionalData"].(map[string]any)
			if !ok {
				data = map[string]any{}
				item["additionalData"] = data
			}
			data["hmacSignature"] = items[i].sign(keys[0])
		}
	})
}

// GenerateSecret returns a new HMAC key.
func (Adyen) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return HMAC{}.GenerateSecret()
}
