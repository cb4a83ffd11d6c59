// Package postgres is the engine of the inbox for PostgreSQL: a ledger in the caller's own database, which several processes fill and
// handle at once.
//
// Each process stores events as many in one commit as wait for it. Workers claim what is due with SKIP LOCKED, a commit that counts
// the attempt; then the handler gets a transaction of its own, in which its writes and the mark that the delivery is done are committed
// together. The mark is made only while the delivery is still this attempt's: when two processes come to handle one delivery, after one of them
// was taken for dead, the effects of one are rolled back.
//
// A process that handles holds an advisory lock in its session. When it dies, the server gives the lock back, and within a few seconds another
// takes up what it had in hand. Events that one process stored wake the others by NOTIFY; a look at the tables once a second finds what
// no message told. Both need a session: behind a pooler use its session mode.
//
// Times are the server's. Text is stored as it is, except that a backslash, a NUL and bytes that are not UTF-8, which PostgreSQL does
// not take, are written with a backslash before them. The tables, whose names begin with inbox_, are looked for along the search path.
package postgres
