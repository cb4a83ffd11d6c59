// Package postgres is the engine of the inbox for PostgreSQL: a ledger in the caller's own database, which several processes fill and
// handle at once.
//
//	box, err := postgres.Open(ctx, pool, inbox.Config{Workers: 8}) // pool is a *pgxpool.Pool
//	if err != nil {
//		return err
//	}
//	err = box.Handle("stripe", "invoice.paid", func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error { … })
//	hooks, err := webhook.New(webhook.Config{Scheme: scheme, OnEvent: inbox.Receive(box), Dedupe: webhook.InsecureNoDedupe{}})
//	err = box.Run(ctx) // handles what is stored, until ctx ends
//
// Each process stores events as many in one commit as wait for it, in one trip to the server. Workers claim what is due with SKIP LOCKED, a
// commit that counts the attempt; then the handler gets a transaction of its own, in which its writes and the mark that the delivery is done are
// committed together. The mark is made only while the delivery is still this attempt's: when two processes come to handle one delivery, after one of
// them was taken for dead, the effects of one are rolled back.
//
// A process that handles holds an advisory lock in its session. When it dies, the server gives the lock back, and within a few seconds another
// takes up what it had in hand. Events that one process stored wake the others by NOTIFY; a look at the tables once a second finds what
// no message told. Both need a session: behind a pooler use its session mode.
//
// While the server cannot be reached or takes no writes, events are answered 503, and nothing is stored by halves: it is starting, its disk or its log
// is full, it is a standby, or default_transaction_read_only is on. The inbox goes on by itself when the server does. PostgreSQL panics when its log has
// no room: it comes back by itself, or must be started.
//
// Times are the server's, and when its clock goes back, what is due later is brought nearer by as much. Text is stored as it is, except
// that a backslash, a NUL and bytes that are not UTF-8, which PostgreSQL does not take, are written with a backslash before them. The
// tables, whose names begin with inbox_, are looked for along the search path. Lists of any filter go along an index, at any size.
//
// # Why not a job queue beneath the ledger
//
// The design had a River job for each ledger row. It was measured, and left out:
//
//   - Rescue by time. River finds the jobs of a dead process by their age, after an hour by default (RescueStuckJobsAfter), and must be told
//     more than the longest handler takes. The lock of a session is given back when the process dies, whatever its handlers take.
//   - FetchCooldown. River looks for jobs once in 100 ms by default, so a handler starts 59 ms after its event was stored (median, 300 events a
//     second); here it is 4.1 ms. At its least of 1 ms, River needs 2.0 ms, for a query each millisecond in every process.
//   - Arguments are JSONB. They hold no NUL and do not keep the exact bytes, so the body is in the ledger all the same, and each event
//     is two rows with two sets of indexes: River's InsertMany alone stores an event in 111 µs where this ledger, body, header and
//     counters included, takes 68 µs (64 producers, 1 KiB); with both it would be the sum.
//   - A ledger knows statuses, order keys, pauses and replays that a job does not: each would be written twice, and kept in step.
//
// The figures are of one run of this command on two shared processors: go run ./benchmarks -part inbox
//
// The one dependency is github.com/jackc/pgx/v5, the driver that PostgreSQL's pipelines, notifications and array arguments need.
package postgres
