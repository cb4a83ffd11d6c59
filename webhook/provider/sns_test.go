package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

const topic = "arn:aws:sns:us-east-2:123456789012:orders"

// internet answers requests by their URL and notes them.
type internet struct {
	mu     sync.Mutex
	asked  []string
	answer func(*http.Request) (*http.Response, error)
}

func (i *internet) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.asked = append(i.asked, r.Method+" "+r.URL.String())
	i.mu.Unlock()
	return i.answer(r)
}

// answers returns an internet where every URL has this status and body.
func answers(status int, body string) *internet {
	return &internet{answer: func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}, nil
	}}
}

// snsMessage returns a message signed by the test key.
func snsMessage(tb testing.TB, members map[string]string) []byte {
	tb.Helper()
	object := map[string]string{
		"Type": "Notification", "MessageId": "m-1", "TopicArn": topic, "Message": "Hello", "Timestamp": now.UTC().Format(time.RFC3339),
		"SignatureVersion": "2", "SigningCertURL": "https://sns.us-east-2.amazonaws.com/SimpleNotificationService-1.pem",
	}
	maps.Copy(object, members)
	body, err := json.Marshal(object)
	if err != nil {
		tb.Fatal(err)
	}
	sent, err := provider.AmazonSNS{}.Sign(delivery{}.request(tb), body, now, webhook.NewSecret(rsaPrivate(tb)))
	if err != nil {
		tb.Fatal(err)
	}
	return sent
}

func TestSNSFetchesTheCertificateUnderGuard(t *testing.T) {
	good := certificatePEM(t, rsaKey(t))
	redirect := answers(302, "")
	large := answers(200, good+strings.Repeat("x", 64<<10))
	broken := &internet{answer: func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }}
	brokenBody := &internet{answer: func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader("-"), errReader{})), Header: http.Header{}}, nil
	}}
	const url = "https://sns.us-east-2.amazonaws.com/SimpleNotificationService-1.pem"
	for _, row := range []struct {
		name string
		url  string
		net  *internet
		want error
		asks int
	}{
		{"from SNS", url, answers(200, good), nil, 1},
		{"from SNS in China", "https://sns.cn-north-1.amazonaws.com.cn/a.pem", answers(200, good), nil, 1},
		{"behind a redirect", url, redirect, webhook.ErrUnavailable, 1},
		{"that is missing", url, answers(404, good), webhook.ErrUnavailable, 1},
		{"that is too large", url, large, webhook.ErrUnavailable, 1},
		{"that is none", url, answers(200, "<xml>"), webhook.ErrUnavailable, 1},
		{"that is a key", url, answers(200, publicPEM(t, rsaKey(t).Public())), webhook.ErrUnavailable, 1},
		{"of a key that cannot be used", url, answers(200, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), webhook.ErrUnavailable, 1},
		{"of another key", url, answers(200, file(t, "sns.pem")), webhook.ErrSignature, 1},
		{"that cannot be reached", url, broken, webhook.ErrUnavailable, 1},
		{"whose connection breaks", url, brokenBody, webhook.ErrUnavailable, 1},
		{"over http", "http://sns.us-east-2.amazonaws.com/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"from another host", "https://evil.example/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"from a host with SNS in front", "https://sns.us-east-2.amazonaws.com.evil.example/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"from a host with SNS behind", "https://evil.sns.us-east-2.amazonaws.com/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"from a bucket", "https://sns.s3.amazonaws.com/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"from a bucket of the older form", "https://sns.s3-us-west-2.amazonaws.com/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"from a label that is no region", "https://sns.abc.amazonaws.com/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"from a region without a number", "https://sns.us-east-.amazonaws.com/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"from GovCloud", "https://sns.us-gov-west-1.amazonaws.com/a.pem", answers(200, good), nil, 1},
		{"from a region with a dot", "https://sns.a.b.amazonaws.com/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"from a host with user info", "https://sns.us-east-2.amazonaws.com@evil.example/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"with user info", "https://user@sns.us-east-2.amazonaws.com/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"with a port", "https://sns.us-east-2.amazonaws.com:8443/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"with an empty port", "https://sns.us-east-2.amazonaws.com:/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"with a query", "https://sns.us-east-2.amazonaws.com/?Action=x.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"with an empty query", "https://sns.us-east-2.amazonaws.com/a.pem?", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"with a fragment", "https://sns.us-east-2.amazonaws.com/a#.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"with an encoded path", "https://sns.us-east-2.amazonaws.com/%2e%2e%2fa.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"that is no .pem", "https://sns.us-east-2.amazonaws.com/a.key", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"in capitals", "https://SNS.US-EAST-2.AMAZONAWS.COM/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"on this machine", "https://127.0.0.1/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"of the cloud's metadata", "https://169.254.169.254/latest/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"in a file", "file:///etc/passwd.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"at no URL", "", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"at what is no URL", "https://[::1/a.pem", answers(200, good), webhook.ErrSignatureFormat, 0},
		{"at a long URL", "https://sns.us-east-2.amazonaws.com/" + strings.Repeat("a", 2000) + ".pem", answers(200, good), webhook.ErrSignatureFormat, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := delivery{scheme: provider.AmazonSNS{TopicARNs: []string{topic}}, setup: webhook.Setup{Client: &http.Client{Transport: row.net}}}
			body := snsMessage(t, map[string]string{"SigningCertURL": row.url})
			proof, err := d.prepared(t).Verify(d.request(t), body, now)
			if !errors.Is(err, row.want) {
				t.Errorf("%v, want %v", err, row.want)
			}
			if len(row.net.asked) != row.asks {
				t.Errorf("asked %q", row.net.asked)
			}
			if row.want == nil && proof.KeyID != row.url {
				t.Errorf("key id %q", proof.KeyID)
			}
		})
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestSNSAsksNobodyForAForeignTopic(t *testing.T) {
	net := answers(200, certificatePEM(t, rsaKey(t)))
	d := delivery{scheme: provider.AmazonSNS{TopicARNs: []string{topic}}, setup: webhook.Setup{Client: &http.Client{Transport: net}}}
	body := snsMessage(t, map[string]string{"TopicArn": "arn:aws:sns:us-east-2:999999999999:orders"})
	if _, err := d.prepared(t).Verify(d.request(t), body, now); !errors.Is(err, webhook.ErrForbidden) {
		t.Errorf("%v", err)
	}
	if len(net.asked) != 0 {
		t.Errorf("asked %q", net.asked)
	}
}

func TestSNSRefusesWhatIsNoTopic(t *testing.T) {
	for _, arn := range []string{"orders", "arn:aws:sqs:us-east-2:123456789012:orders", topic + ":3f8c"} {
		_, err := provider.AmazonSNS{TopicARNs: []string{topic, arn}}.Prepare(delivery{}.completeSetup(t))
		if err == nil || !strings.Contains(err.Error(), "TopicARNs[1]") || !strings.Contains(err.Error(), arn) {
			t.Errorf("%s: %v", arn, err)
		}
	}
}

func TestSNSRefusesWhatAmazonDoesNotSend(t *testing.T) {
	d := delivery{scheme: provider.AmazonSNS{TopicARNs: []string{topic}, Secrets: secret(publicPEM(t, rsaKey(t).Public()))}}
	v := d.prepared(t)
	altered := func(old, replacement string) []byte {
		return []byte(strings.Replace(string(snsMessage(t, nil)), old, replacement, 1))
	}
	for _, row := range []struct {
		name string
		body []byte
		want error
	}{
		{"as it is", altered("", ""), nil},
		{"raw delivery", []byte("Hello"), webhook.ErrPayload},
		{"raw delivery of JSON", []byte(`{"order":1}`), webhook.ErrNoSignature},
		{"without a signature", altered(`"Signature":`, `"signature":`), webhook.ErrNoSignature},
		{"a signature that is no base64", altered(`"Signature":"`, `"Signature":"!`), webhook.ErrSignatureFormat},
		{"another version", altered(`"SignatureVersion":"2"`, `"SignatureVersion":"3"`), webhook.ErrSignatureFormat},
		{"the older version of the same", altered(`"SignatureVersion":"2"`, `"SignatureVersion":"1"`), webhook.ErrSignature},
		{"no version", altered(`"SignatureVersion":"2",`, ``), webhook.ErrSignatureFormat},
		{"another type", altered(`"Type":"Notification"`, `"Type":"Other"`), webhook.ErrPayload},
		{"the type of a confirmation", altered(`"Type":"Notification"`, `"Type":"SubscriptionConfirmation"`), webhook.ErrSignature},
		{"a message given twice", altered(`"Message":"Hello"`, `"Message":"Hello","Message":"Other"`), webhook.ErrPayload},
		{"a message in another case", altered(`"Message":"Hello"`, `"message":"Hello"`), webhook.ErrSignature},
		{"a subject that is added", altered(`"Message":"Hello"`, `"Message":"Hello","Subject":"x"`), webhook.ErrSignature},
		{"a message id with a line break", snsMessage(t, map[string]string{"MessageId": "m-1\nx"}), webhook.ErrPayload},
		{"a subject with a line break", snsMessage(t, map[string]string{"Subject": "x\nMessageId\nm-1"}), webhook.ErrPayload},
		{"a topic with a line break", snsMessage(t, map[string]string{"TopicArn": topic + "\nType\nNotification"}), webhook.ErrPayload},
		{"a message cut at what looks like the next line", func() []byte {
			whole := snsMessage(t, map[string]string{"Message": "harmless\nMessageId\nm-0\nSubject\nx"})
			return []byte(strings.NewReplacer(`"Message":"harmless\nMessageId\nm-0\nSubject\nx"`, `"Message":"harmless","Subject":"x\nMessageId\nm-1"`, `"MessageId":"m-1"`, `"MessageId":"m-0"`).Replace(string(whole)))
		}(), webhook.ErrPayload},
		{"a time that is none", altered(`"Timestamp":"2025`, `"Timestamp":"yesterday 2025`), webhook.ErrTimestamp},
	} {
		if _, err := v.Verify(d.request(t), row.body, now); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
	for _, version := range []string{"1", "2"} {
		for _, subject := range []map[string]string{{}, {"Subject": "Hi"}, {"Type": "UnsubscribeConfirmation", "Token": "t", "SubscribeURL": "https://sns.us-east-2.amazonaws.com/"}} {
			subject["SignatureVersion"] = version
			if _, err := v.Verify(d.request(t), snsMessage(t, subject), now); err != nil {
				t.Errorf("%v: %v", subject, err)
			}
		}
	}
}

func TestSNSRefusesAnExpiredCertificate(t *testing.T) {
	d := delivery{scheme: provider.AmazonSNS{TopicARNs: []string{topic}}, setup: webhook.Setup{Client: &http.Client{Transport: answers(200, certificatePEM(t, rsaKey(t)))}, InsecureAnyAge: true}}
	v := d.prepared(t)
	for _, row := range []struct {
		name string
		at   time.Time
		ok   bool
	}{{"valid", now, true}, {"before it is valid", now.Add(-2 * time.Hour), false}, {"after it was valid", now.Add(2 * time.Hour), false}} {
		if _, err := v.Verify(d.request(t), snsMessage(t, nil), row.at); (err == nil) != row.ok || err != nil && !errors.Is(err, webhook.ErrSignature) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestCertificatesAreKeptForADay(t *testing.T) {
	net := answers(200, certificatePEM(t, rsaKey(t)))
	bodies := make([][]byte, 20)
	for i := range bodies {
		bodies[i] = snsMessage(t, map[string]string{"SigningCertURL": fmt.Sprintf("https://sns.us-east-2.amazonaws.com/%d.pem", i)})
	}
	synctest.Test(t, func(t *testing.T) {
		d := delivery{scheme: provider.AmazonSNS{TopicARNs: []string{topic}}, setup: webhook.Setup{Client: &http.Client{Transport: net}}}
		v := d.prepared(t)
		verify := func(body []byte, want int) {
			t.Helper()
			if _, err := v.Verify(d.request(t), body, now); err != nil {
				t.Fatal(err)
			}
			if len(net.asked) != want {
				t.Fatalf("%d requests, want %d", len(net.asked), want)
			}
		}
		verify(bodies[0], 1)
		verify(bodies[0], 1)
		time.Sleep(23 * time.Hour)
		verify(bodies[0], 1)
		time.Sleep(2 * time.Hour)
		verify(bodies[0], 2)
		for i, body := range bodies[1:] { // more than are kept: the oldest goes
			time.Sleep(time.Second)
			verify(body, 3+i)
		}
		verify(bodies[19], 21)
		verify(bodies[0], 22)
	})
}

// hanging is an internet that answers with body after release is closed, or not at all while the request may last.
func hanging(release chan struct{}, body string) *internet {
	return &internet{answer: func(r *http.Request) (*http.Response, error) {
		select {
		case <-release:
			return answers(200, body).answer(r)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}}
}

func TestFewCertificatesAreFetchedAtOnce(t *testing.T) {
	var bodies [][]byte
	for i := range 5 {
		bodies = append(bodies, snsMessage(t, map[string]string{"SigningCertURL": fmt.Sprintf("https://sns.us-east-2.amazonaws.com/%d.pem", i)}))
	}
	known := snsMessage(t, nil)
	pem := certificatePEM(t, rsaKey(t))
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		close(release)
		net := hanging(release, pem)
		d := delivery{scheme: provider.AmazonSNS{TopicARNs: []string{topic}}, setup: webhook.Setup{Client: &http.Client{Transport: net}}}
		v := d.prepared(t)
		verify := func(body []byte) error {
			_, err := v.Verify(d.request(t), body, now)
			return err
		}
		if err := verify(known); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour) // the known certificate is to be fetched anew
		release = make(chan struct{})
		net.answer = hanging(release, pem).answer
		results, again := make(chan error, 4), make(chan error, 1)
		for _, body := range bodies[:4] {
			go func() { results <- verify(body) }()
		}
		synctest.Wait()
		if err := verify(bodies[4]); !errors.Is(err, webhook.ErrUnavailable) {
			t.Errorf("the fifth that was never good: %v", err)
		}
		go func() { again <- verify(known) }()
		synctest.Wait()
		if len(net.asked) != 6 {
			t.Errorf("asked %q, want the known certificate asked for once more whatever strangers do", net.asked)
		}
		time.Sleep(6 * time.Second) // longer than a fetch may last
		for range 4 {
			if err := <-results; !errors.Is(err, webhook.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("one that hangs: %v", err)
			}
		}
		<-again
		close(release)
		for _, body := range append(bodies, known) {
			if err := verify(body); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		}
	})
}

func TestDeliveriesThatNeedOneCertificateShareItsFetch(t *testing.T) {
	body := snsMessage(t, nil)
	pem := certificatePEM(t, rsaKey(t))
	for _, row := range []struct {
		name string
		end  func(release chan struct{}, net *internet)
		want error
	}{
		{"it comes", func(release chan struct{}, _ *internet) { close(release) }, nil},
		{"it does not come", func(chan struct{}, *internet) { time.Sleep(6 * time.Second) }, webhook.ErrUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				net := hanging(release, pem)
				d := delivery{scheme: provider.AmazonSNS{TopicARNs: []string{topic}}, setup: webhook.Setup{Client: &http.Client{Transport: net}}}
				v := d.prepared(t)
				results := make(chan error, 30)
				first, hangUp := context.WithCancel(t.Context())
				go func() {
					_, err := v.Verify(d.request(t).WithContext(first), body, now)
					results <- err
				}()
				synctest.Wait()
				for range 29 {
					go func() {
						_, err := v.Verify(d.request(t), body, now)
						results <- err
					}()
				}
				impatient, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := v.Verify(d.request(t).WithContext(impatient), body, now); !errors.Is(err, webhook.ErrUnavailable) {
					t.Errorf("one that waits no longer: %v", err)
				}
				hangUp() // the first sender's, whose fetch the others wait for
				synctest.Wait()
				row.end(release, net)
				for range 30 {
					if err := <-results; !errors.Is(err, row.want) {
						t.Errorf("%v, want %v", err, row.want)
					}
				}
				if len(net.asked) != 1 {
					t.Errorf("%d requests, want 1", len(net.asked))
				}
			})
		})
	}
	t.Run("the transport panics", func(t *testing.T) {
		net := &internet{answer: func(*http.Request) (*http.Response, error) { panic("transport") }}
		d := delivery{scheme: provider.AmazonSNS{TopicARNs: []string{topic}}, setup: webhook.Setup{Client: &http.Client{Transport: net}}}
		v := d.prepared(t)
		func() {
			defer func() { _ = recover() }()
			_, _ = v.Verify(d.request(t), body, now)
		}()
		net.answer = answers(200, pem).answer
		if _, err := v.Verify(d.request(t), body, now); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestSNSConfirmsSubscriptionsToAllowedTopics(t *testing.T) {
	const subscribe = "https://sns.us-east-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=abc"
	open := provider.AmazonSNS{Secrets: secret(publicPEM(t, rsaKey(t).Public())), InsecureAnyTopic: true}
	allowed := open
	allowed.TopicARNs = []string{topic}
	const confirmed = "GET https://sns.us-east-2.amazonaws.com/?Action=ConfirmSubscription&Token=abc&TopicArn=arn%3Aaws%3Asns%3Aus-east-2%3A123456789012%3Aorders"
	for _, row := range []struct {
		name    string
		scheme  provider.AmazonSNS
		members map[string]string
		net     *internet
		want    error
		asked   string
	}{
		{"an allowed topic", allowed, map[string]string{"SubscribeURL": subscribe, "Token": "abc"}, answers(200, "<ok/>"), nil, confirmed},
		{"any topic", open, map[string]string{"SubscribeURL": subscribe, "Token": "abc"}, answers(200, "<ok/>"), webhook.ErrForbidden, ""},
		{"SNS does not answer", allowed, map[string]string{"SubscribeURL": subscribe, "Token": "abc"}, answers(500, ""), webhook.ErrUnavailable, confirmed},
		{"SNS cannot be reached", allowed, map[string]string{"SubscribeURL": subscribe, "Token": "abc"}, &internet{answer: func(*http.Request) (*http.Response, error) {
			return nil, errors.New("no route")
		}}, webhook.ErrUnavailable, confirmed},
		{"a URL elsewhere", allowed, map[string]string{"SubscribeURL": "https://169.254.169.254/?Action=ConfirmSubscription", "Token": "abc"}, answers(200, ""), webhook.ErrHandshake, ""},
		{"a URL over http", allowed, map[string]string{"SubscribeURL": strings.Replace(subscribe, "https", "http", 1), "Token": "abc"}, answers(200, ""), webhook.ErrHandshake, ""},
		{"a URL for another action", allowed, map[string]string{"SubscribeURL": strings.Replace(subscribe, "ConfirmSubscription", "DeleteTopic", 1), "Token": "abc"}, answers(200, ""), webhook.ErrHandshake, ""},
		{"a URL that is none", allowed, map[string]string{"SubscribeURL": "https://[", "Token": "abc"}, answers(200, ""), webhook.ErrHandshake, ""},
		{"more in the URL than is known", allowed, map[string]string{"SubscribeURL": subscribe + "&AuthenticateOnUnsubscribe=true", "Token": "abc"}, answers(200, ""), nil, confirmed},
		{"no token", allowed, map[string]string{"SubscribeURL": subscribe}, answers(200, ""), webhook.ErrHandshake, ""},
		{"no URL", allowed, map[string]string{"Token": "abc"}, answers(200, ""), webhook.ErrHandshake, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.members["Type"] = "SubscriptionConfirmation"
			body := snsMessage(t, row.members)
			d := delivery{scheme: row.scheme, setup: webhook.Setup{Client: &http.Client{Transport: row.net}}}
			v, r := d.prepared(t), d.request(t)
			proof, err := v.Verify(r, body, now)
			if err != nil {
				t.Fatal(err)
			}
			e := describe(v, r, body, proof)
			reply, err := v.(webhook.Confirmer).Confirm(r, &e)
			if !errors.Is(err, row.want) || (reply != nil) != (row.want == nil) {
				t.Errorf("%v, %v; want %v", reply, err, row.want)
			}
			if err != nil && strings.Contains(err.Error(), "Token=") {
				t.Errorf("the reason has the token in it: %v", err)
			}
			if got := strings.Join(row.net.asked, ""); got != row.asked {
				t.Errorf("asked %q, want %q", got, row.asked)
			}
		})
	}
	body := snsMessage(t, nil)
	d := delivery{scheme: allowed}
	v := d.prepared(t)
	e := describe(v, d.request(t), body, webhook.Proof{})
	if reply, err := v.(webhook.Confirmer).Confirm(d.request(t), &e); reply != nil || err != nil {
		t.Errorf("a notification: %v, %v", reply, err)
	}
	e.Type, e.Body = "SubscriptionConfirmation", []byte("x")
	if _, err := v.(webhook.Confirmer).Confirm(d.request(t), &e); err == nil {
		t.Error("a body that is no message is confirmed")
	}
	e = describe(v, d.request(t), []byte("x"), webhook.Proof{})
	if e.ID != "" || e.Type != "" {
		t.Errorf("a body that is no message says %q, %q", e.ID, e.Type)
	}
}

func TestPayPalFetchesTheCertificateUnderGuard(t *testing.T) {
	good := certificatePEM(t, rsaKey(t))
	paypal := provider.PayPal{Secrets: secret("OTHER", "WEBHOOK")}
	for _, row := range []struct {
		name, url string
		want      error
		asks      int
	}{
		{"from PayPal", "https://api.paypal.com/v1/notifications/certs/CERT-1", nil, 1},
		{"from the sandbox", "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77", nil, 1},
		{"from another path", "https://api.paypal.com/v1/CERT-1", webhook.ErrSignatureFormat, 0},
		{"from a path that goes up", "https://api.paypal.com/v1/notifications/certs/../../x", webhook.ErrSignatureFormat, 0},
		{"from no certificate", "https://api.paypal.com/v1/notifications/certs/", webhook.ErrSignatureFormat, 0},
		{"from another host", "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1", webhook.ErrSignatureFormat, 0},
		{"from a host that ends alike", "https://evilpaypal.com/v1/notifications/certs/CERT-1", webhook.ErrSignatureFormat, 0},
		{"from no host", "https://.paypal.com/v1/notifications/certs/CERT-1", webhook.ErrSignatureFormat, 0},
		{"over http", "http://api.paypal.com/v1/notifications/certs/CERT-1", webhook.ErrSignatureFormat, 0},
	} {
		net := answers(200, good)
		d := delivery{scheme: paypal, setup: webhook.Setup{Client: &http.Client{Transport: net}}}
		r := d.request(t)
		if _, err := paypal.Sign(r, []byte("{}"), now, webhook.NewSecret("WEBHOOK\n"+rsaPrivate(t))); err != nil {
			t.Fatal(err)
		}
		r.Header.Set("PAYPAL-CERT-URL", row.url)
		proof, err := d.prepared(t).Verify(r, []byte("{}"), now)
		if !errors.Is(err, row.want) || len(net.asked) != row.asks {
			t.Errorf("%s: %v, want %v; asked %q", row.name, err, row.want, net.asked)
		}
		if err == nil && (proof.Secret != 1 || proof.KeyID != row.url) {
			t.Errorf("%s: %+v", row.name, proof)
		}
	}
}

func TestPayPalRefusesWhatPayPalDoesNotSend(t *testing.T) {
	paypal := provider.PayPal{Secrets: secret("WEBHOOK\n" + publicPEM(t, rsaKey(t).Public()))}
	d := delivery{scheme: paypal}
	v := d.prepared(t)
	for _, row := range []struct {
		name, field, value string
		want               error
	}{
		{"as it is", "X-Free", "x", nil},
		{"without the certificate's URL, which is pinned", "PAYPAL-CERT-URL", "", nil},
		{"with a foreign URL, though the certificate is pinned", "PAYPAL-CERT-URL", "https://evil.example/v1/notifications/certs/C", webhook.ErrSignatureFormat},
		{"by another algorithm", "PAYPAL-AUTH-ALGO", "SHA1withRSA", webhook.ErrSignatureFormat},
		{"without the algorithm", "PAYPAL-AUTH-ALGO", "", nil},
		{"with a border in the id", "PAYPAL-TRANSMISSION-ID", "a|b", webhook.ErrSignatureFormat},
		{"with a time that is none", "PAYPAL-TRANSMISSION-TIME", "1764000000", webhook.ErrTimestamp},
		{"with a signature that is none", "PAYPAL-TRANSMISSION-SIG", "!", webhook.ErrSignatureFormat},
	} {
		r := d.request(t)
		if _, err := paypal.Sign(r, []byte("{}"), now, webhook.NewSecret(rsaPrivate(t))); err != nil {
			t.Fatal(err)
		}
		r.Header.Set(row.field, row.value)
		if row.value == "" {
			r.Header.Del(row.field)
		}
		if _, err := v.Verify(r, []byte("{}"), now); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}
