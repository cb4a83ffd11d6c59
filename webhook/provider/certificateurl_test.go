package provider_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// asked notes where a scheme would have connected to.
type asked struct{ urls []string }

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	a.urls = append(a.urls, r.URL.String())
	if r.Host != r.URL.Host {
		a.urls = append(a.urls, r.Host)
	}
	return nil, errors.New("no network in this test")
}

// Nothing that a stranger puts in place of a certificate's URL makes the receiver ask another host than the provider's.
func FuzzCertificateURL(f *testing.F) {
	for _, url := range []string{
		"https://sns.us-east-1.amazonaws.com/a.pem", "https://api.paypal.com/v1/notifications/certs/CERT-1", "https://api.paypal.com./v1/notifications/certs/CERT-1",
		"https://sns.us-east-1.amazonaws.com./a.pem", "https://sns.us-east-1.amazonaws.com\\@evil.example/a.pem", "https://sns.us-east-1.amazonaws.com%2eevil.example/a.pem",
		"https://sns.us-east-1.amazonaws.com:443/a.pem", "https://sns.us-east-1.amazonaws。com/a.pem", "https://ѕns.us-east-1.amazonaws.com/a.pem", "https://evil.example#.paypal.com/v1/notifications/certs/C",
		"https://evil.example/.paypal.com/v1/notifications/certs/C", "https://api.paypal.com@evil.example/v1/notifications/certs/C", "//api.paypal.com/v1/notifications/certs/C",
		"https:api.paypal.com/v1/notifications/certs/C", "https:///v1/notifications/certs/C", "HTTPS://api.paypal.com/v1/notifications/certs/C", "https://api.paypal.com/v1/notifications/certs/C\r\nHost: evil.example",
		"https://api.paypal.com/v1/notifications/certs/../certs/C", "https://api.paypal.com/v1/notifications/certs/%2e%2e", "https://a b.paypal.com/v1/notifications/certs/C", "https://[::1].paypal.com/v1/notifications/certs/C",
		"file:///etc/passwd.pem", "https://169.254.169.254/a.pem", "https://localhost/.pem", "https://sns.us-east-1.amazonaws.com/../../a.pem", "https://sns.us-east-1.amazonaws.com//evil.example/a.pem",
	} {
		f.Add(url)
	}
	good := regexp.MustCompile(`^https://(sns\.[a-z]+(-[a-z]+)+-[0-9]+\.amazonaws\.com(\.cn)?/[^?#@\\ ]*\.pem|[A-Za-z0-9.-]+\.paypal\.com/v1/notifications/certs/[A-Za-z0-9_-]+)$`)
	const topic = "arn:aws:sns:us-east-1:123456789012:orders"
	f.Fuzz(func(t *testing.T, url string) {
		var network asked
		setup := webhook.Setup{Client: &http.Client{Transport: &network}}
		sns, err := provider.AmazonSNS{TopicARNs: []string{topic}}.Prepare(setup)
		if err != nil {
			t.Fatal(err)
		}
		paypal, err := provider.PayPal{Secrets: secret("4JH86294D6297924G")}.Prepare(setup)
		if err != nil {
			t.Fatal(err)
		}
		signature := base64.StdEncoding.EncodeToString(make([]byte, 256))
		r := delivery{header: map[string]string{
			"PAYPAL-TRANSMISSION-ID": "1", "PAYPAL-TRANSMISSION-TIME": "2025-11-24T16:00:00Z", "PAYPAL-TRANSMISSION-SIG": signature,
		}}.request(t)
		r.Header["Paypal-Cert-Url"] = []string{url}
		if _, err := paypal.Verify(r, []byte("{}"), now); err == nil || !isReason(err) {
			t.Fatalf("%q: %v", url, err)
		}
		body := snsMessage(t, map[string]string{"SigningCertURL": strings.ToValidUTF8(url, "?"), "TopicArn": topic})
		if _, err := sns.Verify(r, body, now); err == nil || !isReason(err) {
			t.Fatalf("%q: %v", url, err)
		}
		for _, one := range network.urls {
			if !good.MatchString(one) {
				t.Fatalf("%q: asked %q", url, one)
			}
		}
	})
}
