// Package nats is the engine of the inbox for NATS JetStream: a ledger in one stream, whose handlers run at least once.
//
// An event is published with its deduplication key as the subject, on the condition that the subject is empty, so that the server itself stores
// each event once, for as long as the ledger remembers its key. The stream's window for Nats-Msg-Id is not used: it forgets after minutes. The
// message's number in the stream is the delivery's, its payload are the exact bytes of the body. Everything that happens to a delivery is
// one more message on the subject of its state, published on the condition that the state is still the one that was seen.
//
// # What is durable
//
// A server answers before it syncs its disk, unless it is told to sync always, which nats.go cannot see: the setting is shown to the system account
// and on the monitoring port alone. What can be seen is how many replicas have an event before the answer: [Open] refuses a stream with fewer
// than three, unless [Config].InsecureFewReplicas says that the servers sync always, or that a power failure may take acknowledged events.
//
// A server whose disk is full stores nothing more in the stream until it is started again, also when there is room (nats-server 2.15 keeps the
// first error of a write). It does not answer, so events are answered 503 after some seconds, and at once when [inbox.Config].MaxQueue of them wait. When
// the server is back the inbox goes on as it is. Give the stream a bound, max_bytes, below what the disk has: beyond it events are refused, and taken
// again when there is room. Of a cluster of three, two must be there: they take events when they have agreed upon a leader, some seconds after it was lost.
//
// # What happens once
//
// JetStream has no transaction that a handler could write in: its [NoTx] is nothing. A handler whose process or server dies before the mark "done" is
// stored runs again, and what it did stays done. A handler that fails after a write leaves the write. Write through [inbox.Once] in
// a database of your own, and give other services [inbox.Delivery.IdempotencyKey].
//
// # What is in memory
//
// Each Inbox follows the stream and keeps an index of every delivery in memory, without bodies, histories and headers, so that lists, filters
// and counters need no question to the server. Open reads the stream's headers once. TestMemory, which runs with -v, prints what a delivery costs in both.
// The server keeps the subjects in memory too: two for each delivery. For ledgers of many millions take an engine over a database.
//
// One process handles at a time: it holds a lease in the stream, and another takes over when it was not renewed for [LeaseTime]. All of
// them may accept and look. Counts by the minute are stored once a second, and by Close: a process that is killed loses its last second of them. Repeats
// are counted for the deliveries that are remembered. Texts of errors are kept up to 4 KiB, histories up to 256 KiB: older attempts go first.
package nats
