package engine

import (
	"crypto/rand"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// An Arrival is an event as it is stored.
type Arrival struct {
	Event    webhook.Event // its Body is not nil: that would mean purged
	Key      webhook.Key   // by which a repeat is known
	OrderKey string
	Request  []byte // header and proof, for [DecodeRequest]
	Size     int64  // about what it takes of memory while it waits
}

// rowOverhead is about what a row costs beside its body and request.
const rowOverhead = 256

// NewArrival returns e as it is stored. An error is permanent.
func NewArrival(c inbox.Config, e webhook.Event) (Arrival, error) {
	a := Arrival{Event: e, Key: e.Key}
	if e.Repeatable || e.Key == (webhook.Key{}) { // nothing tells a repeat: each is an event of its own
		_, _ = rand.Read(a.Key[:]) // never fails
	}
	var err error
	if a.Request, err = EncodeRequest(e); err != nil {
		return Arrival{}, inbox.Permanent(err)
	}
	if c.OrderBy != nil {
		a.OrderKey = c.OrderBy(e)
	}
	if e.Body == nil {
		a.Event.Body = []byte{}
	}
	a.Size = int64(len(e.Body)+len(a.Request)) + rowOverhead
	return a, nil
}

// Lane returns the lane of the event.
func (a *Arrival) Lane() Lane { return Lane{a.Event.Provider, a.Event.Type} }

// Observed calls accept and tells the Observe of c how it went.
func Observed(c inbox.Config, e webhook.Event, accept func() (fresh bool, err error)) (fresh bool, err error) {
	start := time.Now()
	fresh, err = accept()
	if c.Observe != nil {
		o := inbox.Observation{Kind: inbox.ObserveAccepted, Provider: e.Provider, Type: e.Type, Duration: time.Since(start), Err: err}
		switch {
		case err != nil:
			o.Kind = inbox.ObserveRefused
		case !fresh:
			o.Kind = inbox.ObserveDuplicate
		}
		c.Observe(o)
	}
	return fresh, err
}
