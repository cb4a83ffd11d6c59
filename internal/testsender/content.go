package testsender

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// content are the content systems that sign.
func content() []Provider {
	return []Provider{
		// sanity-io/webhook-toolkit src/signature.ts: base64url without padding.
		{ID: "sanity", Keys: plain(), Clock: Millis, Proof: "Sanity-Webhook-Signature", Strong: true, Send: func(d Delivery) Request {
			sum := mac(sha256.New, d.Key.Sender, d.Time+"."+d.Body)
			return d.post("sanity-webhook-signature", "t="+d.Time+",v1="+base64.RawURLEncoding.EncodeToString(sum), "sanity-operation", "create")
		}},
		// TryGhost/Ghost webhook-trigger.js: the body, then the time.
		{ID: "ghost", Keys: plain(), Clock: Millis, Proof: "X-Ghost-Signature", Prefix: "sha256=", Hex: true, Strong: true, Send: func(d Delivery) Request {
			return d.post("X-Ghost-Signature", "sha256="+hex256(d.Key.Sender, d.Body+d.Time)+", t="+d.Time)
		}},
		// @hygraph/utils index.js: a JSON text with the body as a string.
		{ID: "hygraph", Keys: plain(), Clock: Millis, Proof: "Gcms-Signature", Prefix: "sign=", Strong: true, Send: func(d Delivery) Request {
			signed := `{"Body":` + stringified(d.Body) + `,"EnvironmentName":"master","TimeStamp":` + d.Time + "}"
			return d.post("gcms-signature", "sign="+base256(d.Key.Sender, signed)+", env=master, t="+d.Time)
		}},
		// contentful/node-apps-toolkit src/requests/sign-request.ts: method, path, header fields and body, a line each.
		{
			ID: "contentful", Keys: texts(strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)), Clock: Millis,
			Proof: "X-Contentful-Signature", Hex: true, Strong: true, URL: true, Send: contentful,
		},
		// The library hookdeck/webhook-skills has for Webflow, after developers.webflow.com.
		{ID: "webflow", Keys: plain(), Clock: Millis, Proof: "X-Webflow-Signature", Hex: true, Strong: true, Send: func(d Delivery) Request {
			return d.post("x-webflow-timestamp", d.Time, "x-webflow-signature", hex256(d.Key.Sender, d.Time+":"+d.Body))
		}},
	}
}

// stringified is JSON.stringify of text, which has none of the two separators that encoding/json alone escapes.
func stringified(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func contentful(d Delivery) Request {
	const names = "x-contentful-signed-headers,x-contentful-timestamp,x-contentful-topic"
	const topic = "ContentManagement.Entry.publish"
	_, rest, _ := strings.Cut(d.URL, "//")
	_, path, _ := strings.Cut(rest, "/")
	line := "x-contentful-signed-headers:" + names + ";x-contentful-timestamp:" + d.Time + ";x-contentful-topic:" + topic
	return d.post("x-contentful-signed-headers", names, "x-contentful-timestamp", d.Time, "x-contentful-topic", topic,
		"x-contentful-signature", hex256(d.Key.Sender, "POST\n/"+path+"\n"+line+"\n"+d.Body))
}
