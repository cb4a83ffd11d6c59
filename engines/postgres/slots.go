package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Slots say between which ids the deliveries of a time are, so that a filter by time need not look at all that came before or after. A slot
// is ten minutes of acceptance. A group of events notes its ids when it is the first of a slot, and when a later slot has been begun: because
// it waited to be stored, or because the clock went back. So whatever the clock does, no delivery is outside of the ids that [near]
// gives for its time, and storing hardly ever costs a write more.
//
// That holds because groups of the newest slot are stored under a shared lock, and slots are noted under an exclusive one, both taken before
// ids are: the first of a new slot has larger ids than all that are stored already, and smaller ones than all that come after it.
const slotLength = 10 * time.Minute

func slotOf(t time.Time) int64 {
	seconds, length := t.Unix(), int64(slotLength/time.Second)
	if seconds < 0 {
		seconds -= length - 1
	}
	return seconds / length
}

// beginStoring begins a transaction of the writer in one trip to the server. The lock is given back in time when this process stands still.
const (
	beginStoring = "SELECT set_config('idle_in_transaction_session_timeout', '10s', true)"
	lockShared   = "SELECT pg_advisory_xact_lock_shared($1, 2)"
	lockWhole    = "SELECT pg_advisory_xact_lock($1, 2)"
	newestSlot   = "SELECT coalesce(max(slot), -1) = floor(extract(epoch FROM now()) / 600)::bigint FROM inbox_slots"
	noteSlot     = `INSERT INTO inbox_slots (slot, first, last) VALUES (floor(extract(epoch FROM now()) / 600)::bigint, $1, $2)
		ON CONFLICT (slot) DO UPDATE SET first = least(inbox_slots.first, excluded.first), last = greatest(inbox_slots.last, excluded.last)`
)

// lockSlots begins a transaction and locks the slots: whole where the group must note its slot. It reports whether it need not.
func lockSlots(ctx context.Context, conn *pgx.Conn, whole bool) (newest bool, err error) {
	var batch pgx.Batch
	batch.Queue("BEGIN")
	batch.Queue(beginStoring)
	lock := lockShared
	if whole {
		lock = lockWhole
	}
	batch.Queue(lock, lockSchema)
	batch.Queue(newestSlot).QueryRow(func(row pgx.Row) error { return row.Scan(&newest) })
	return newest, conn.SendBatch(ctx, &batch).Close()
}

// near is the ids between which every delivery is that was accepted from the slot $1 to the slot $2.
const near = `near AS MATERIALIZED (SELECT
	coalesce((SELECT min(first) FROM inbox_slots WHERE slot >= $1), 9223372036854775807) AS first,
	greatest(coalesce((SELECT min(first) FROM inbox_slots WHERE slot > $2), 9223372036854775807), coalesce((SELECT max(last) FROM inbox_slots WHERE slot <= $2), 0)) AS last)`
