// Package inbox keeps verified webhook events in a ledger, so that none is lost after it was acknowledged and each has its effect once.
//
// An event is answered 2xx only when it is on disk. From there it runs: by the handler registered for its provider and type,
// in a transaction of the ledger's own database, so that the handler's writes and the mark "done" are committed together or not at
// all. A handler that fails runs again later, and after its last attempt the event waits as a dead letter until someone replays or
// discards it.
//
// This package says what every engine does; engines keep the ledger, and package inbox/console shows it to people. Package inbox/sqlite is
// the embedded engine:
//
//	box, err := sqlite.Open(db, inbox.Config{})
//	if err != nil {
//		return err
//	}
//	box.Handle("stripe", "invoice.paid", func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
//		_, err := tx.ExecContext(ctx, "INSERT INTO credits (key) VALUES (?)", d.IdempotencyKey())
//		return err
//	})
//	hooks, err := webhook.New(webhook.Config{Scheme: scheme, OnEvent: inbox.Receive(box), Dedupe: webhook.InsecureNoDedupe{}})
//	go box.Run(ctx)
//
// # What happens once, and what may happen again
//
// Writes made through the transaction that the handler is given happen once: a crash at any moment leaves both them and the mark, or
// neither. Everything else a handler does, such as sending a mail or calling another service, happens at least once: the process may
// die after it and before the commit. Give such a call [Delivery.IdempotencyKey], which is the same in each attempt and each replay, and write
// to another database through [Once].
package inbox
