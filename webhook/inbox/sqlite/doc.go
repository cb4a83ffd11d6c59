// Package sqlite is the embedded engine of the inbox: a ledger in the caller's own SQLite database, with the standard library alone.
//
//	box, err := sqlite.Open(db, inbox.Config{})
//	if err != nil {
//		return err
//	}
//	err = box.Handle("stripe", "invoice.paid", func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error { … })
//	hooks, err := webhook.New(webhook.Config{Scheme: scheme, OnEvent: inbox.Receive(box), Dedupe: webhook.InsecureNoDedupe{}})
//	err = box.Run(ctx) // handles what is stored, until ctx ends
//
// One goroutine stores events, as many in one commit as wait for it, so that a busy endpoint costs one sync of the disk for dozens of
// events. Handlers get the database's own transaction: what they write beside the ledger is committed with the mark that the delivery is done.
//
// SQLite has one writer at a time. Storing goes before handling when both wait, but an event waits while a handler's
// transaction runs: keep handlers short, or use [Inbox.HandleStaged]. Any database/sql driver of SQLite 3.35 or newer will do.
//
// The keys by which repeats are known, of 32 bytes each, are held in memory for the newest events, some 50,000 at most, until they are put into their index
// together: so storing costs hardly more with millions of events than with none. Several processes may store into one ledger.
//
// The log of the database (its WAL) is written back beside the commits, unless a connection comes with a PRAGMA wal_autocheckpoint of its own.
//
// Back the ledger up like any SQLite database: VACUUM INTO 'copy.db', or the driver's online backup, while it runs.
package sqlite
