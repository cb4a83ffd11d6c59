package webhooktest_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

// acme signs "{X-Acme-Time}.{body}" with HMAC-SHA256. flaw names one mistake that it makes.
type acme struct{ flaw string }

func (acme) Provider() string { return "acme" }

func (a acme) mac(key webhook.Secret, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	if a.flaw != "does not sign the time" {
		mac.Write([]byte(stamp + "."))
	}
	switch a.flaw {
	case "signs half the body":
		body = body[:len(body)/2]
	case "trims the body":
		body = bytes.TrimSpace(body)
	}
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func (a acme) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	if key.IsZero() || a.flaw == "cannot sign" {
		return nil, errors.New("acme: key is required")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Acme-Time", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("X-Acme-Signature", a.mac(key, r.Header.Get("X-Acme-Time"), body))
	return body, nil
}

func (a acme) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	if a.flaw == "cannot make a secret" {
		return signing, verifying, errors.New("acme: no entropy")
	}
	s := webhook.NewSecret(rand.Text())
	return s, s, nil
}

func (a acme) Prepare(s webhook.Setup) (webhook.Verifier, error) {
	switch {
	case len(s.Secrets) == 0 && a.flaw != "accepts no secret":
		return nil, errors.New("acme: Secrets is required")
	case len(s.Secrets) > 1 && a.flaw == "cannot rotate":
		return nil, errors.New("acme: one secret only")
	case a.flaw == "refuses its own secret":
		return nil, errors.New("acme: no")
	}
	for _, secret := range s.Secrets {
		if secret.IsZero() && a.flaw != "accepts an empty secret" {
			if a.flaw == "shows a secret when it refuses" {
				return nil, errors.New("acme: bad secret among " + s.Secrets[0].Reveal())
			}
			return nil, errors.New("acme: a secret must not be empty")
		}
	}
	return acmeVerifier{a, s.Secrets, s.Client}, nil
}

type acmeVerifier struct {
	acme
	secrets []webhook.Secret
	client  *http.Client
}

func (v acmeVerifier) Contract() webhook.Contract {
	if v.flaw == "has no tolerance" {
		return webhook.Contract{}
	}
	return webhook.Contract{Tolerance: time.Minute}
}

func (v acmeVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	if v.flaw == "fetches a key that nobody serves" {
		res, err := v.client.Do(r)
		if err != nil {
			return webhook.Proof{}, errors.Join(webhook.ErrUnavailable, err)
		}
		_ = res.Body.Close()
	}
	signatures, stamps := r.Header["X-Acme-Signature"], r.Header["X-Acme-Time"]
	if v.flaw == "panics without a header" {
		_ = signatures[0]
	}
	if len(signatures) != 1 || len(stamps) != 1 {
		if v.flaw == "gives a reason without a status" {
			return webhook.Proof{}, errors.New("no signature")
		}
		if v.flaw == "blames itself" {
			return webhook.Proof{}, refusal.New(500, "no signature")
		}
		return webhook.Proof{}, webhook.ErrNoSignature
	}
	for i, secret := range v.secrets {
		if v.flaw != "accepts everything" && !hmac.Equal([]byte(signatures[0]), []byte(v.mac(secret, stamps[0], body))) {
			continue
		}
		if v.flaw == "forgets which secret matched" {
			i = 0
		}
		seconds, err := strconv.ParseInt(stamps[0], 10, 64)
		if err != nil {
			return webhook.Proof{}, webhook.ErrTimestamp
		}
		sent := time.Unix(seconds, 0)
		switch age := now.Sub(sent); {
		case age > time.Minute && v.flaw != "accepts the past":
			return webhook.Proof{}, webhook.ErrTooOld
		case age < -time.Minute && v.flaw != "accepts the future":
			return webhook.Proof{}, webhook.ErrTooNew
		}
		return webhook.Proof{Secret: i, SentAt: sent}, nil
	}
	if v.flaw == "shows a secret as a reason" {
		return webhook.Proof{}, errors.Join(webhook.ErrSignature, errors.New("expected by "+v.secrets[0].Reveal()))
	}
	return webhook.Proof{}, webhook.ErrSignature
}

func (v acmeVerifier) Describe(r *http.Request, e *webhook.Event) {
	var head struct{ ID, Type string }
	_ = json.Unmarshal(e.Body, &head) // what it cannot read it leaves alone
	e.ID, e.IDSigned, e.Type, e.TypeSigned = head.ID, true, head.Type, true
	e.SignedHeaders = []string{"X-Acme-Time"}
	e.Key = webhook.NewKey("acme", []byte(e.ID))
	switch v.flaw {
	case "takes an unsigned id for signed":
		e.ID = r.Header.Get("X-Acme-Id")
	case "takes an unsigned type for signed":
		e.Type = r.Header.Get("X-Acme-Type")
	case "takes an unsigned field for signed":
		e.SignedHeaders = append(e.SignedHeaders, "X-Acme-Id")
	case "makes its key of an unsigned id":
		e.Key = webhook.NewKey("acme", []byte(r.Header.Get("X-Acme-Id")))
	}
}

func config(s webhook.Signer) webhooktest.SchemeConfig {
	return webhooktest.SchemeConfig{
		Scheme: s, Header: http.Header{"X-Acme-Id": {"evt_1"}, "X-Acme-Type": {"a.b"}}, Body: []byte(`{"id":"evt_1","type":"a.b"}` + "\n"),
	}
}

func TestSchemeAcceptsASoundScheme(t *testing.T) {
	webhooktest.TestScheme(t, config(acme{}))
}

func TestSchemeFindsEachFlaw(t *testing.T) {
	flaws := map[string]string{
		"does not sign the time":             "changes the signed time",
		"signs half the body":                "of the body altered",
		"trims the body":                     "a byte appended to the body",
		"cannot make a secret":               "GenerateSecret",
		"accepts no secret":                  "Prepare accepts no secret",
		"accepts an empty secret":            "Prepare accepts an empty secret",
		"shows a secret when it refuses":     "Prepare's error shows a secret",
		"refuses its own secret":             "Prepare refuses the generated secret",
		"cannot sign":                        "key is required",
		"fetches a key that nobody serves":   "SchemeConfig.Client is not set",
		"cannot rotate":                      "Prepare refuses two secrets",
		"has no tolerance":                   "without Contract.Tolerance",
		"panics without a header":            "panic",
		"gives a reason without a status":    "no status of the 4xx kind",
		"blames itself":                      "no status of the 4xx kind",
		"accepts everything":                 "under another secret",
		"forgets which secret matched":       "with the right secret second",
		"accepts the past":                   "after it was sent",
		"accepts the future":                 "after it was sent",
		"shows a secret as a reason":         "the reason shows a secret",
		"takes an unsigned id for signed":    "changes the signed ID",
		"takes an unsigned type for signed":  "changes the signed Type",
		"takes an unsigned field for signed": "said to be signed",
		"makes its key of an unsigned id":    "changes the Key",
	}
	for flaw, want := range flaws {
		t.Run(flaw, func(t *testing.T) {
			err := webhooktest.CheckScheme(t.Context(), config(acme{flaw}))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("TestScheme = %v, want it to find %q", err, want)
			}
		})
	}
	t.Run("allocates where it must not", func(t *testing.T) {
		c := config(acme{})
		c.NoAllocs = true
		if err := webhooktest.CheckScheme(t.Context(), c); err == nil || !strings.Contains(err.Error(), "allocates") {
			t.Errorf("TestScheme = %v", err)
		}
	})
	t.Run("signs what it then refuses", func(t *testing.T) {
		if err := webhooktest.CheckScheme(t.Context(), config(crossed{})); err == nil || !strings.Contains(err.Error(), "refuses what it signed") {
			t.Errorf("TestScheme = %v", err)
		}
	})
}

// crossed signs for another header field than it reads.
type crossed struct{}

func (crossed) Provider() string { return "crossed" }

func (crossed) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return acme{}.GenerateSecret()
}

func (crossed) Prepare(s webhook.Setup) (webhook.Verifier, error) { return acme{}.Prepare(s) }

func (crossed) Sign(r *http.Request, body []byte, _ time.Time, _ webhook.Secret) ([]byte, error) {
	r.Header.Set("X-Other", "00")
	return body, nil
}

func TestSchemeConfigIsChecked(t *testing.T) {
	for name, c := range map[string]webhooktest.SchemeConfig{
		"no scheme":   {},
		"a wrong URL": {Scheme: acme{}, URL: "https://app.example/%zz"},
	} {
		if err := webhooktest.CheckScheme(t.Context(), c); err == nil {
			t.Errorf("TestScheme accepts %s", name)
		}
	}
}
