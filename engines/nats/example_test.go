package nats_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

func ExampleOpen() {
	conn, err := natsgo.Connect(os.Getenv("NATS_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	// One server alone: it must have "sync_interval: always". In a cluster leave both fields out.
	box, err := nats.Open(ctx, js, nats.Config{Stream: "EXAMPLE", Replicas: 1, InsecureFewReplicas: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()

	handled := make(chan struct{})
	err = box.Handle("stripe", "invoice.*", func(_ context.Context, _ nats.NoTx, d *inbox.Delivery) error {
		fmt.Println("handling", d.Event.Type) // with inbox.Once, in a transaction of a database of your own
		close(handled)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx) }()

	// webhook.Config.OnEvent would be inbox.Receive(box); this is what it does.
	for range 2 {
		fresh, err := box.Accept(ctx, inboxtest.Event("stripe", "invoice.paid", "evt_1"))
		fmt.Println("stored:", fresh, err)
		select {
		case <-handled:
		case <-ctx.Done():
			fmt.Println(ctx.Err())
		}
	}
	stop()
	fmt.Println("ended:", <-ended)
	// Unordered output:
	// stored: true <nil>
	// handling invoice.paid
	// stored: false <nil>
	// ended: <nil>
}
