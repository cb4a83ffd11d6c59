package engine_test

import (
	"fmt"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// What an engine stores of an event, and how it reads it back.
func ExampleNewArrival() {
	config, err := inbox.Config{OrderBy: func(e webhook.Event) string { return e.Type }}.Complete()
	if err != nil {
		fmt.Println(err)
		return
	}
	arrival, err := engine.NewArrival(config, webhook.Event{
		Provider: "stripe", Type: "invoice.paid", ID: "evt_1", Key: webhook.NewKey("stripe", []byte("evt_1")), Body: []byte(`{}`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	stored := webhook.Event{Provider: "stripe", Type: "invoice.paid"}
	fmt.Println(engine.DecodeRequest(arrival.Request, &stored), arrival.Lane(), arrival.OrderKey)
	// Output: <nil> {stripe invoice.paid} invoice.paid
}

// The counters of a transaction in which two events were stored and one of them was claimed.
func ExampleNewTally() {
	lane := engine.Lane{Provider: "stripe", Type: "invoice.paid"}
	tally := engine.NewTally()
	tally.Add(lane, inbox.Pending, 2)
	tally.Claimed(lane, 1)
	fmt.Println(tally.Counts[engine.Count{Lane: lane, Status: inbox.Pending}], tally.Counts[engine.Count{Lane: lane, Status: inbox.Running}])
	// Output: 1 1
}
