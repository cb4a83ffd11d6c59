package testsender

// services are the providers of customer relations, forms and support.
func services() []Provider {
	return []Provider{
		// developers.hubspot.com, request validation, version 3.
		{
			ID: "hubspot", Keys: plain(), Body: `[{"eventId":1,"subscriptionType":"contact.creation"}]`, Clock: Millis, Proof: "X-Hubspot-Signature-V3", Strong: true, URL: true,
			Send: func(d Delivery) Request {
				return d.post("X-HubSpot-Request-Timestamp", d.Time, "X-HubSpot-Signature-v3", base256(d.Key.Sender, "POST"+d.URL+d.Body+d.Time))
			},
		},
		// developer.zendesk.com/documentation/webhooks/verifying: no border between time and body.
		{ID: "zendesk", Keys: plain(), Clock: Date, Proof: "X-Zendesk-Webhook-Signature", Strong: true, Send: func(d Delivery) Request {
			return d.post("X-Zendesk-Webhook-Signature-Timestamp", d.Time, "X-Zendesk-Webhook-Signature", base256(d.Key.Sender, d.Time+d.Body))
		}},
		// typeform.com/developers/webhooks/secure-your-webhooks
		{ID: "typeform", Keys: plain(), Proof: "Typeform-Signature", Prefix: "sha256=", Strong: true, Send: func(d Delivery) Request {
			return d.post("Typeform-Signature", "sha256="+base256(d.Key.Sender, d.Body))
		}},
	}
}
