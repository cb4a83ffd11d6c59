// Package testsender makes deliveries as the providers of webhooks send them, for tests that hold a receiver against them.
//
// It is a second writing of how each provider signs, from the provider's document or its own code, with the standard library alone. It
// shares nothing with package webhook/provider: a mistake has to be made twice to stay unseen.
package testsender

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Provider is one provider, as far as its deliveries are signed.
type Provider struct {
	ID   string // as in package webhook/provider
	Keys [3]Key // different ones that the provider could have given out
	Body string // a small body of its kind

	Clock  Clock  // how its signed time is written
	Proof  string // header field that carries the signature or token; "" where it is in the body
	Prefix string // what stands before a signature of the present version, such as "sha256=" or "v1,"
	Hex    bool   // the signature is lower case hexadecimal
	Strong bool   // something is signed; otherwise a token proves the sender
	URL    bool   // the URL is signed

	// Join returns the value of Proof that carries two signatures, as while a key is replaced; nil where a delivery has one alone.
	Join func(one, other string) string

	// Signed returns what of a body is signed, where that is not the whole; "" where it cannot be read.
	Signed func(body []byte) string

	// Send returns the delivery of d.
	Send func(d Delivery) Request
}

// A Key is what a provider and the receiver of its deliveries share.
type Key struct {
	Sender   string // what the provider signs with
	Receiver string // what the receiver verifies with: the same text where one secret does both
}

// A Delivery is what there is to sign.
type Delivery struct {
	URL  string // as the provider was given it
	Body string
	Key  Key

	// Time is the time of sending as the provider writes it; see Clock.Text. A test may sign another text.
	Time string
}

// A Request is a delivery on its way. Its header fields are named as net/http keeps them.
type Request struct {
	Method string
	URL    string
	Header http.Header
	Body   string
}

// post returns d's request, with pairs of header names and values.
func (d Delivery) post(fields ...string) Request {
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(fields); i += 2 {
		header.Set(fields[i], fields[i+1])
	}
	return Request{Method: http.MethodPost, URL: d.URL, Header: header, Body: d.Body}
}

// HTTP returns r as a server gets it.
func (r Request) HTTP() (*http.Request, error) {
	h, err := http.NewRequest(r.Method, r.URL, http.NoBody) //nolint:noctx // the test that serves it has one
	if err != nil {
		return nil, err
	}
	h.Header = r.Header.Clone()
	return h, nil
}

// Clock is how a provider writes a signed time.
type Clock uint8

// Ways of writing a time.
const (
	Timeless Clock = iota // none is signed
	Seconds               // decimal seconds since 1970
	Millis                // decimal milliseconds since 1970
	Date                  // RFC 3339
)

// Text returns t as c writes it.
func (c Clock) Text(t time.Time) string {
	switch c {
	case Seconds:
		return strconv.FormatInt(t.Unix(), 10)
	case Millis:
		return strconv.FormatInt(t.UnixMilli(), 10)
	case Date:
		return t.UTC().Format("2006-01-02T15:04:05Z")
	default:
		return ""
	}
}

// Misspelt returns texts that are no time as c writes it, each with what is wrong with it. Some name t all the same.
func (c Clock) Misspelt(t time.Time) map[string]string {
	good := c.Text(t)
	rows := map[string]string{
		"NaN": "NaN", "infinity": "Infinity", "empty": "", "words": "yesterday", "a sign": "+" + good, "negative": "-" + good, "a zero before": "0" + good,
		"a space before": " " + good, "a space behind": good + " ", "a tab behind": good + "\t", "more than 63 bits": "9223372036854775808",
		"more than 64 bits": "18446744073709551617", "400 digits": strings.Repeat("9", 400), "hexadecimal": "0x69250000", "a letter": good + "a",
	}
	if c == Date {
		rows["without a zone"] = good[:len(good)-1]
		rows["lower case"] = good[:10] + "t" + good[11:]
		rows["a space for the T"] = good[:10] + " " + good[11:]
		rows["a day that is none"] = "2025-02-30T16:00:00Z"
		rows["seconds"] = Seconds.Text(t)
		return rows
	}
	rows["a fraction"] = good + ".0"
	rows["an exponent"] = good[:1] + "e9"
	rows["an underscore"] = good[:1] + "_" + good[1:]
	rows["a date"] = Date.Text(t)
	return rows
}

// All returns the 48 providers, in no order that matters.
func All() []Provider {
	var all []Provider
	for _, group := range [][]Provider{standard(), repositories(), commerce(), messages(), content(), services(), tokens(), inBody(), byPublicKey(), specifications()} {
		all = append(all, group...)
	}
	for i := range all {
		if all[i].Body == "" {
			all[i].Body = `{"id":"evt_1","type":"order.paid","n":[1,-2.5e3,null]}`
		}
	}
	return all
}
