package postgres

import "time"

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

// slotNow is the slot of a transaction.
const slotNow = "floor(extract(epoch FROM now()) / 600)::bigint"

// Locks of the slots. They are given back in time when this process stands still in the midst of a transaction.
const (
	limitIdle      = "SELECT set_config('idle_in_transaction_session_timeout', '10s', true)"
	lockSlots      = "SELECT pg_advisory_xact_lock_shared($1, 2)"
	lockSlotsWhole = "SELECT pg_advisory_xact_lock($1, 2)"
)

// near is the ids between which every delivery is that was accepted from the slot $1 to the slot $2.
const near = `near AS MATERIALIZED (SELECT
	coalesce((SELECT min(first) FROM inbox_slots WHERE slot >= $1), 9223372036854775807) AS first,
	greatest(coalesce((SELECT min(first) FROM inbox_slots WHERE slot > $2), 9223372036854775807), coalesce((SELECT max(last) FROM inbox_slots WHERE slot <= $2), 0)) AS last)`
