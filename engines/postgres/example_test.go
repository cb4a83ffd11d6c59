package postgres_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

func ExampleOpen() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL")) // with &pool_max_conns=20, say
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	box, err := postgres.Open(ctx, pool, inbox.Config{Workers: 8})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()

	handled := make(chan string, 1)
	err = box.Handle("stripe", "invoice.*", func(_ context.Context, _ pgx.Tx, d *inbox.Delivery) error {
		handled <- d.Event.Type // and what is written through the transaction is committed with the mark "done"
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx) }()

	// webhook.Config.OnEvent would be inbox.Receive(box); this is what it does.
	event := inboxtest.Event("stripe", "invoice.paid", "evt_1")
	for range 2 {
		fresh, err := box.Accept(ctx, event)
		fmt.Println("stored:", fresh, err)
	}
	select {
	case typ := <-handled:
		fmt.Println("handled:", typ)
	case <-ctx.Done():
		fmt.Println(ctx.Err())
	}
	stop()
	fmt.Println(<-ended)
	// Output:
	// stored: true <nil>
	// stored: false <nil>
	// handled: invoice.paid
	// <nil>
}
