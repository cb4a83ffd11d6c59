package sqlite_test

import (
	"context"
	"database/sql"
	"log"
	"net/http"
	"os"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// The program chooses the driver, here by import _ "modernc.org/sqlite". The module drivertest, which has drivers, runs the same.
func ExampleOpen() { //nolint:testableexamples // this module imports no driver
	ctx := context.Background()
	db, err := sql.Open("sqlite", "file:app.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		log.Fatal(err)
	}
	box, err := sqlite.Open(db, inbox.Config{})
	if err != nil {
		log.Fatal(err)
	}
	err = box.Handle("stripe", "invoice.paid", func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO credits (key) VALUES (?)", d.IdempotencyKey()) // committed with the mark "done"
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	hooks, err := webhook.New(webhook.Config{
		Scheme:  provider.Stripe{Secrets: []webhook.Secret{webhook.NewSecret(os.Getenv("STRIPE_WEBHOOK_SECRET"))}},
		OnEvent: inbox.Receive(box),
		Dedupe:  webhook.InsecureNoDedupe{}, // the inbox knows duplicates itself
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/hooks/stripe", hooks)
	go func() { log.Fatal(http.ListenAndServe("127.0.0.1:8080", nil)) }()
	if err := box.Run(ctx); err != nil { // until ctx ends
		log.Fatal(err)
	}
}
