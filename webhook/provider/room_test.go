package provider_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// wide returns n members of a JSON object, with a comma behind each.
func wide(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"member%d":%d,`, i*7919%n, i)
	}
	return b.String()
}

// What a delivery needs beside its body is kept from one to the next, however large and unusual it is.
func TestAcceptingAnUnusualDeliveryAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop what it holds")
	}
	deep := strings.Repeat(`[{"a":`, 500) + "1" + strings.Repeat("}]", 500)
	key := strings.Repeat("ab", 32)
	raw, _ := hex.DecodeString(key)
	adyen := func(reference, signed, more string) string {
		signature := base64.StdEncoding.EncodeToString(hmacSHA256(raw, "8835::Shop:"+signed+":1130:EUR:AUTHORISATION:true"))
		return `{"live":"false",` + more + `"notificationItems":[{"NotificationRequestItem":{"pspReference":"8835","merchantAccountCode":"Shop","merchantReference":"` +
			reference + `","amount":{"value":1130,"currency":"EUR"},"eventCode":"AUTHORISATION","success":"true","additionalData":{` + more +
			`"hmacSignature":"` + strings.ReplaceAll(signature, "/", `\/`) + `"}}}]}`
	}
	mailgun := hex.EncodeToString(hmacOver(crypto.SHA256, "key", "1764000000tok"))
	mailgunJSON := func(more string) string {
		return `{` + more + `"sig\u006eature":{"timestamp":"176400000\u0030","\u0074oken":"\u0074ok","signature":"\u00` +
			fmt.Sprintf("%x", mailgun[0]) + mailgun[1:] + `"},"event-data":` + deep + `}`
	}
	multi, multiType := mailgunMultipart(t, mailgun)
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for _, row := range []struct {
		name   string
		scheme webhook.Scheme
		header map[string]string
		body   string
	}{
		{"mailgun, every value and name escaped", provider.Mailgun{Secrets: secret("key")}, nil, mailgunJSON("")},
		{"mailgun, an event of 2000 members", provider.Mailgun{Secrets: secret("key")}, nil, mailgunJSON(wide(2000))},
		{"mailgun, a multipart form with a file", provider.Mailgun{Secrets: secret("key")}, map[string]string{"Content-Type": multiType}, multi},
		{"mailgun, a form of 100 KiB", provider.Mailgun{Secrets: secret("key")}, form, "timestamp=1764000000&token=tok&signature=" + mailgun + "&body=" + strings.Repeat("%20+a", 20<<10)},
		{"adyen, a signature with an escape", provider.Adyen{Secrets: secret(key)}, nil, adyen("r", "r", "")},
		{"adyen, a reference of 20 KiB", provider.Adyen{Secrets: secret(key)}, nil, adyen(strings.Repeat("r", 20<<10), strings.Repeat("r", 20<<10), "")},
		{"adyen, a reference of 20 KiB with escapes", provider.Adyen{Secrets: secret(key)}, nil, adyen(strings.Repeat(`\u0041`, 4<<10), strings.Repeat("A", 4<<10), "")},
		{"adyen, objects of 2000 members", provider.Adyen{Secrets: secret(key)}, nil, adyen("r", "r", wide(2000))},
	} {
		d := delivery{scheme: row.scheme, header: row.header}
		acceptsWithoutAllocating(t, row.name, d.prepared(t), d.request(t), []byte(row.body))
	}
}

// mailgunMultipart returns a form of Mailgun's older webhooks, and its media type.
func mailgunMultipart(t *testing.T, signature string) (body, mediaType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, field := range [][2]string{
		{"event", "opened"}, {"timestamp", "1764000000"}, {"token", "tok"}, {"signature", signature}, {"message-headers", `[["Subject","a"]]`},
	} {
		if err := w.WriteField(field[0], field[1]); err != nil {
			t.Fatal(err)
		}
	}
	file, err := w.CreateFormFile("attachment-1", `a "file".txt`)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write(bytes.Repeat([]byte("\r\n--"), 10<<10))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

// The same for what the provider's own Sign can make.
func TestAcceptingALargeDeliveryAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop what it holds")
	}
	many := map[string]string{"X-Contentful-Topic": "t", "X-Contentful-Long": strings.Repeat("x", 20<<10)}
	for i := range 500 {
		many[fmt.Sprintf("X-Contentful-Field-%d", i)] = "v"
	}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	long := "https://example.com/hook?q=" + strings.Repeat("a%20b", 4<<10)
	for _, row := range []struct {
		name, id, url, body string
		header              map[string]string
	}{
		{"500 signed fields and a line of 20 KiB", "contentful", "", "{}", many},
		{"a query of 20 KiB", "contentful", long, "{}", map[string]string{"X-Contentful-Topic": "t"}},
		{"a form of 9000 parameters", "twilio", "", strings.TrimSuffix(manyParameters(4500), "&"), form},
		{"a form of 200 KiB", "twilio", "", "Body=" + strings.Repeat("%C3%A9+", 30<<10), form},
		{"a query of 20 KiB", "twilio", long, `{"a":1}`, nil},
		{"a URL of 20 KiB", "square", long, "{}", nil},
		{"a URL of 20 KiB", "hubspot", long, "{}", nil},
		{"an id of 20 KiB", "standardwebhooks", "", "{}", map[string]string{"Webhook-Id": strings.Repeat("i", 20<<10)}},
		{"an id of 20 KiB", "svix", "", "{}", map[string]string{"Svix-Id": strings.Repeat("i", 20<<10)}},
		{"a body of 1 MiB that is escaped before it is signed", "hygraph", "", strings.Repeat("\"\\\n\u2028é", 100<<10), nil},
	} {
		scheme, err := provider.New(row.id)
		if err != nil {
			t.Fatal(err)
		}
		d := delivery{scheme: scheme, url: row.url, header: row.header}
		r := d.request(t)
		signing, verifying, err := scheme.(webhook.Signer).GenerateSecret()
		if err != nil {
			t.Fatal(err)
		}
		sent, err := scheme.(webhook.Signer).Sign(r, []byte(row.body), now, signing)
		if err != nil {
			t.Fatalf("%s: %v", row.id, err)
		}
		d.setup.Secrets = []webhook.Secret{verifying}
		acceptsWithoutAllocating(t, row.id+", "+row.name, d.prepared(t), r, sent)
	}
}

// A time may be written as a date, and be in the body.
func TestAcceptingADateInTheBodyAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop what it holds")
	}
	s := provider.HMAC{Name: "acme", Header: "X-Signature", Secrets: secret("s"), TimestampJSON: "t", TimestampFormat: provider.RFC3339}
	body := `{"t":"` + now.UTC().Format("2006-01-02T15:04:05.000000000Z07:00") + `"}`
	r, err := http.NewRequest(http.MethodPost, "https://example.com/hook", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(r, []byte(body), now, webhook.NewSecret("s")); err != nil {
		t.Fatal(err)
	}
	d := delivery{scheme: s}
	acceptsWithoutAllocating(t, "a date in the body", d.prepared(t), r, []byte(body))
}
