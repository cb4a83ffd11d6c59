package provider

import (
	"crypto"
	"crypto/rand"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// PayPal is the scheme of PayPal's webhooks.
//
// Signed is "{transmission id}|{transmission time}|{webhook id}|{CRC-32 of the body}" with RSA (PKCS #1 v1.5) and SHA-256, as base64 in
// PAYPAL-TRANSMISSION-SIG. THE BODY IS BOUND ONLY BY A CRC-32, which anyone can forge: who has captured one delivery can put another body
// of the same CRC under its signature while the time is fresh. A transmission must therefore count once: deduplication goes
// by PAYPAL-TRANSMISSION-ID, so do not switch it off, and ask PayPal's API before money moves.
//
// An attempt that PayPal makes again may be a new transmission, and is then handled again: make the handler idempotent by ID, the
// event's id in the body, which only the CRC binds (IDSigned is false, and so is TypeSigned).
//
// The certificate is at PAYPAL-CERT-URL. It is fetched over https from a host under paypal.com and a path under /v1/notifications/certs/ alone,
// without redirect, within 5 seconds and 64 KiB, and kept for a day. One outside its validity is refused. PAYPAL-AUTH-ALGO, where given,
// must be SHA256withRSA, or sha256 as in PayPal's older samples.
//
// Tolerance: 5 minutes both ways; PayPal names none. PayPal makes 25 attempts in three days.
//
// Source: https://developer.paypal.com/api/rest/webhooks/rest/ and PayPal-Python-SDK paypalrestsdk/notifications.py.
type PayPal struct {
	// Secrets are the webhook's ids, such as "4JH86294D6297924G", newest first; at least one is required. Certificates or public keys among
	// them, as PEM or base64 of DER, are the only ones that are accepted: none is fetched then. A line before a PEM is an id.
	Secrets []webhook.Secret
}

// Fields of a delivery, as net/http keeps them.
const (
	paypalSignature = "Paypal-Transmission-Sig"
	paypalID        = "Paypal-Transmission-Id"
	paypalTime      = "Paypal-Transmission-Time"
	paypalCert      = "Paypal-Cert-Url"
	paypalAlgorithm = "Paypal-Auth-Algo"
)

// Provider returns "paypal".
func (PayPal) Provider() string { return "paypal" }

// Prepare returns a Verifier, or every mistake in s.
func (s PayPal) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &paypalVerifier{
		window:       newWindow(setup, defaultTolerance),
		certificates: newCertificates(setup.Client, paypalCertificateURL),
	}
	for i, secret := range secretsOf(setup, s.Secrets, &c) {
		id, block := splitPEM(secret.Reveal())
		if len(id) > 128 { // base64 of DER
			id, block = "", id
		}
		if block != "" {
			v.pinned = append(v.pinned, rsaKeys(i, secret.ID(), block, &c)...)
		}
		if id == "" && block != "" {
			continue
		}
		rule := checkSecret(id)
		if rule == "" && strings.Trim(id, alphanumeric+"-_") != "" {
			rule = "must be a webhook id, of letters and digits, or a certificate"
		}
		if rule != "" {
			c.Hidden(secretField(i), rule)
			continue
		}
		v.webhooks = append(v.webhooks, token{i, webhook.NewSecret(id)})
	}
	if c.Err() == nil && len(v.webhooks) == 0 {
		c.Hidden("Secrets", "must have the id of the webhook")
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

func paypalCertificateURL(u *url.URL) bool {
	name, ok := strings.CutPrefix(u.Path, "/v1/notifications/certs/")
	host, under := strings.CutSuffix(u.Host, ".paypal.com")
	return ok && under && validHost(host) && name != "" && strings.Trim(name, alphanumeric+"-_") == ""
}

// paypalVerifier is PayPal made ready.
type paypalVerifier struct {
	webhooks     []token
	pinned       []publicKey
	window       window
	certificates *certificates
}

// Contract returns what PayPal promises and expects.
func (*paypalVerifier) Contract() webhook.Contract {
	return webhook.Contract{Tolerance: defaultTolerance, RetryWindow: 72 * time.Hour}
}

// Verify checks the signature and then the time it covers.
func (v *paypalVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	var field [4]string
	for i, name := range []string{paypalSignature, paypalID, paypalTime, paypalCert} {
		var err error
		if field[i], err = only(r.Header, name); err != nil {
			if name == paypalCert && len(v.pinned) > 0 && len(r.Header[name]) == 0 {
				continue
			}
			return webhook.Proof{}, err
		}
	}
	if algorithm := r.Header[paypalAlgorithm]; len(algorithm) > 0 && !slices.Equal(algorithm, []string{"SHA256withRSA"}) &&
		!slices.Equal(algorithm, []string{"sha256"}) {
		return webhook.Proof{}, fmt.Errorf("%w: PAYPAL-AUTH-ALGO is not SHA256withRSA", webhook.ErrSignatureFormat)
	}
	if strings.Contains(field[1], "|") {
		return webhook.Proof{}, fmt.Errorf("%w: PAYPAL-TRANSMISSION-ID has a character that separates what is signed", webhook.ErrSignatureFormat)
	}
	sent, err := RFC3339.parse(field[2])
	if err != nil {
		return webhook.Proof{}, err
	}
	signature, err := decodeBase64(field[0])
	if err != nil {
		return webhook.Proof{}, fmt.Errorf("%w: PAYPAL-TRANSMISSION-SIG is not base64", webhook.ErrSignatureFormat)
	}
	reason := webhook.ErrSignature
	for _, w := range v.webhooks {
		proof, err := verifyRSA(r, v.certificates, v.pinned, field[3], crypto.SHA256, paypalSigned(field[1], field[2], w.secret.Reveal(), body), signature, now)
		if err != nil {
			reason = err
			continue
		}
		if err := v.window.check(sent, now); err != nil {
			return webhook.Proof{}, err
		}
		proof.SentAt = sent
		if len(v.pinned) == 0 || !v.identified(proof.Secret) { // several secrets may have one id and a key each
			proof.Secret = w.index
		}
		return proof, nil
	}
	return webhook.Proof{}, reason
}

// identified reports whether the secret at index has a webhook's id.
func (v *paypalVerifier) identified(index int) bool {
	return slices.ContainsFunc(v.webhooks, func(w token) bool { return w.index == index })
}

// paypalSigned returns what PayPal signs.
func paypalSigned(id, sent, webhookID string, body []byte) []byte {
	return []byte(id + "|" + sent + "|" + webhookID + "|" + strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
}

// Describe fills in what e says of itself.
func (*paypalVerifier) Describe(_ *http.Request, e *webhook.Event) {
	e.Type = member(e.Body, "event_type")
	e.ID = member(e.Body, "id")
	e.SignedHeaders = []string{paypalID, paypalTime}
	e.Key = webhook.NewKey("paypal", []byte("transmission"), []byte(e.Header.Get(paypalID)))
}

// Sign signs r as PayPal does. key is an RSA private key, as PEM or base64 of DER; the webhook's id is the line before the PEM, or the
// first of Secrets.
func (s PayPal) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	signer, err := rsaSigner(key)
	if err != nil {
		return nil, err
	}
	webhookID, _ := splitPEM(key.Reveal())
	if (webhookID == "" || len(webhookID) > 128) && len(s.Secrets) > 0 {
		webhookID, _ = splitPEM(s.Secrets[0].Reveal())
	}
	id := r.Header.Get(paypalID)
	if id == "" {
		id = strings.ToLower(rand.Text())
	}
	timestamp := RFC3339.format(now)
	signature, err := signRSA(signer, crypto.SHA256, paypalSigned(id, timestamp, webhookID, body))
	if err != nil {
		return nil, err
	}
	setMethod(r, webhook.Contract{})
	r.Header.Set(paypalID, id)
	r.Header.Set(paypalTime, timestamp)
	r.Header.Set(paypalCert, "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-0")
	r.Header.Set(paypalAlgorithm, "SHA256withRSA")
	r.Header.Set(paypalSignature, signature)
	return body, nil
}

// GenerateSecret returns a new RSA key pair, for a new webhook id.
func (PayPal) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return generateRSA(rand.Text()[:17])
}
