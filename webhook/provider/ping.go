package provider

import (
	"net/http"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// pinged is an hmacVerifier whose provider also signs deliveries that only try whether the endpoint answers. They are answered with
// 200 and are no events.
type pinged struct {
	*hmacVerifier
	ping func(*webhook.Event) bool
}

// Confirm answers a ping.
func (v *pinged) Confirm(_ *http.Request, e *webhook.Event) (*webhook.Reply, error) {
	if v.ping(e) {
		return &webhook.Reply{}, nil
	}
	return nil, nil
}
