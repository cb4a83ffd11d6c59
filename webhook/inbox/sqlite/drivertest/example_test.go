package drivertest_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
)

// ExampleOpen of package sqlite is this without a driver, which the library does not import.
func Example() {
	dir, err := os.MkdirTemp("", "inbox")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "app.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	box, err := sqlite.Open(db, inbox.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()

	handled := make(chan struct{})
	err = box.Handle("stripe", "invoice.*", func(_ context.Context, _ *sql.Tx, d *inbox.Delivery) error {
		fmt.Println("handling", d.Event.Type) // and what is written through the transaction is committed with the mark "done"
		close(handled)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	go func() { _ = box.Run(ctx) }()

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
	// Unordered output:
	// stored: true <nil>
	// handling invoice.paid
	// stored: false <nil>
}
