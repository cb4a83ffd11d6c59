package testsender

// messages are the providers of chat, calls and meetings.
func messages() []Provider {
	return []Provider{
		// docs.slack.dev/authentication/verifying-requests-from-slack
		{ID: "slack", Keys: plain(), Clock: Seconds, Proof: "X-Slack-Signature", Prefix: "v0=", Hex: true, Strong: true, Send: func(d Delivery) Request {
			return d.post("X-Slack-Request-Timestamp", d.Time, "X-Slack-Signature", "v0="+hex256(d.Key.Sender, "v0:"+d.Time+":"+d.Body))
		}},
		// zoom/webhook-sample index.js
		{ID: "zoom", Keys: plain(), Clock: Seconds, Proof: "X-Zm-Signature", Prefix: "v0=", Hex: true, Strong: true, Send: func(d Delivery) Request {
			return d.post("x-zm-request-timestamp", d.Time, "x-zm-signature", "v0="+hex256(d.Key.Sender, "v0:"+d.Time+":"+d.Body))
		}},
		// developers.line.biz: base64 of the body's HMAC under the channel secret.
		{ID: "line", Keys: plain(), Body: `{"destination":"U1","events":[{"type":"message","webhookEventId":"01H"}]}`, Proof: "X-Line-Signature", Strong: true, Send: func(d Delivery) Request {
			return d.post("x-line-signature", base256(d.Key.Sender, d.Body))
		}},
		// linear/linear packages/sdk/src/webhooks/client.ts: the body, in which the time is.
		{ID: "linear", Keys: plain(), Body: `{"action":"create","type":"Issue","data":{"id":"a"}}`, Clock: Millis, Proof: "Linear-Signature", Hex: true, Strong: true, Send: func(d Delivery) Request {
			if d.Time != "" && d.Body != "" {
				d.Body = d.Body[:len(d.Body)-1] + `,"webhookTimestamp":` + d.Time + "}"
			}
			return d.post("Linear-Signature", hex256(d.Key.Sender, d.Body), "Linear-Event", "Issue", "Linear-Delivery", "234d1a4e", "Linear-Timestamp", d.Time)
		}},
	}
}
