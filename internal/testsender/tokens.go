package testsender

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// tokens are the providers that show a secret and sign nothing.
func tokens() []Provider {
	nothing := func([]byte) string { return "nothing" }
	return []Provider{
		{
			ID: "telegram", Keys: texts("secret-token_1", "secret-token_2", "secret-token_3"), Body: `{"update_id":1,"message":{}}`, Proof: "X-Telegram-Bot-Api-Secret-Token", Signed: nothing,
			Send: func(d Delivery) Request { return d.post("X-Telegram-Bot-Api-Secret-Token", d.Key.Sender) },
		},
		{
			ID: "strapi", Keys: plain(), Body: `{"event":"entry.create","model":"a"}`, Proof: "Authorization", Signed: nothing,
			Send: func(d Delivery) Request {
				return d.post("Authorization", "Bearer "+d.Key.Sender, "X-Strapi-Event", "entry.create")
			},
		},
		{
			ID: "datocms", Keys: texts("user:password", "user:other", "user:third"), Body: `{"entity_type":"item","event_type":"publish"}`, Proof: "Authorization", Signed: nothing,
			Send: func(d Delivery) Request {
				return d.post("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(d.Key.Sender)))
			},
		},
		// cloudevents/spec http-webhook.md, section 3.1
		{ID: "cloudevents", Keys: plain(), Proof: "Authorization", Signed: nothing, Send: func(d Delivery) Request {
			return d.post("Authorization", "Bearer "+d.Key.Sender, "ce-id", "1", "ce-source", "/a", "ce-type", "a.b", "ce-specversion", "1.0")
		}},
		{
			ID: "prismic", Keys: plain(), Body: `{"type":"api-update","domain":"a"}`, Signed: memberOf("secret"),
			Send: func(d Delivery) Request { return withMember(d, "secret", d.Key.Sender).post() },
		},
		{
			ID: "msgraph", Keys: plain(), Body: `{"value":[{"changeType":"updated","clientState":"{key}"},{"changeType":"updated","clientState":"{key}"}]}`, Signed: graphStates,
			Send: func(d Delivery) Request {
				d.Body = strings.ReplaceAll(d.Body, "{key}", d.Key.Sender)
				return d.post()
			},
		},
	}
}

// withMember adds a member with a text to the JSON object that is the body.
func withMember(d Delivery, name, text string) Delivery {
	if strings.HasPrefix(d.Body, "{") {
		d.Body = `{"` + name + `":` + stringified(text) + "," + d.Body[1:]
	}
	return d
}

// memberOf returns a function that reads one member of a JSON object, as it is written.
func memberOf(name string) func(body []byte) string {
	return func(body []byte) string {
		var object map[string]json.RawMessage
		if json.Unmarshal(body, &object) != nil {
			return ""
		}
		return string(object[name])
	}
}

func graphStates(body []byte) string {
	var list struct {
		Value []struct {
			ClientState string `json:"clientState"`
		} `json:"value"`
	}
	if json.Unmarshal(body, &list) != nil {
		return ""
	}
	var states []string
	for _, n := range list.Value {
		states = append(states, n.ClientState)
	}
	return strings.Join(states, "\n")
}
