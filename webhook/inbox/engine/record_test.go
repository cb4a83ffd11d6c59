package engine_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// What is kept of an event's request is read back as it was, whatever bytes the client has sent, and is JSON.
func FuzzEncodeRequest(f *testing.F) {
	f.Add("POST", "X-Signature", "t=1,v1=ab", "a=1&b=%ff", "key-1", 2, int64(1795512168628123456), true)
	f.Add("", "", "", "", "", 0, int64(0), false)
	f.Add("GET", "A", "\xff<b>\u2028\"\\", "%00=\t", "é", -1, int64(-1), true)
	f.Fuzz(func(t *testing.T, method, name, value, query, keyID string, secret int, at int64, flag bool) {
		if !utf8.ValidString(method) || !utf8.ValidString(name) || !utf8.ValidString(keyID) { // they are tokens, and an id of ours
			return
		}
		e := webhook.Event{Method: method, TypeSigned: flag, IDSigned: !flag, Repeatable: flag, ReceivedAt: time.Unix(0, at).UTC()}
		e.Proof.Secret, e.Proof.KeyID = secret, keyID
		if name != "" {
			e.Header = http.Header{name: {value, ""}, "Empty": nil}
			e.SignedHeaders = []string{name}
		}
		if q, _ := url.ParseQuery(query); len(q) > 0 {
			e.Query = q
		}
		if flag {
			e.SentAt = e.ReceivedAt.Add(-time.Second)
			e.Proof.SentAt = e.SentAt
		}
		encoded, err := engine.EncodeRequest(e)
		if err != nil || !json.Valid(encoded) {
			t.Fatalf("%s, %v", encoded, err)
		}
		var read webhook.Event
		if err := engine.DecodeRequest(encoded, &read); err != nil {
			t.Fatalf("%s: %v", encoded, err)
		}
		if e.Header != nil {
			read.Header["Empty"] = nil // a list without values and none are the same
		}
		if !reflect.DeepEqual(read, e) {
			t.Errorf("%s:\n%+v, not\n%+v", encoded, read, e)
		}
	})
}

func TestATimeThatJSONHasNotIsAnError(t *testing.T) {
	if encoded, err := engine.EncodeRequest(webhook.Event{ReceivedAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil {
		t.Errorf("%s", encoded)
	}
}
