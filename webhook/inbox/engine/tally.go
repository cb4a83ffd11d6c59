package engine

import (
	"cmp"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// Duplicated counts repeats among the counters, beside the statuses.
const Duplicated inbox.Status = "duplicated"

// A Count is one counter of a ledger: how many deliveries of a type have a status, or are [Duplicated].
type Count struct {
	Lane
	Status inbox.Status
}

// A Tally collects changes of the counters, to be written at the end of a transaction.
type Tally struct {
	Counts map[Count]int64
	Minute inbox.Minute // Start does not count: it is the minute of the write
}

// NewTally returns a Tally of nothing.
func NewTally() *Tally { return &Tally{Counts: map[Count]int64{}} }

// Add notes n more deliveries with a status.
func (t *Tally) Add(l Lane, status inbox.Status, n int64) { t.Counts[Count{l, status}] += n }

// Move notes that one delivery changed its status.
func (t *Tally) Move(l Lane, from, to inbox.Status) {
	t.Add(l, from, -1)
	t.Add(l, to, 1)
}

// Claimed notes that n deliveries are running now.
func (t *Tally) Claimed(l Lane, n int) {
	t.Add(l, inbox.Pending, -int64(n))
	t.Add(l, inbox.Running, int64(n))
}

// Failed notes a failed attempt of d.
func (t *Tally) Failed(d Row, f Failure) {
	t.Move(d.Lane(), inbox.Running, f.Status())
	t.Minute.Failed++
	if f.Dead {
		t.Minute.Dead++
	}
}

// Stats returns what the counters say, and how old the oldest is by when each lane has its first due: firstDue is asked about those with
// pending deliveries.
func Stats(counts map[Count]int64, firstDue func(pending []Lane) (map[Lane]time.Time, error)) (stats inbox.Stats, err error) {
	types := map[Lane]*inbox.TypeStats{}
	var pending []Lane
	for c, n := range counts {
		if types[c.Lane] == nil {
			types[c.Lane] = &inbox.TypeStats{Provider: c.Provider, Type: c.Type, ByStatus: map[inbox.Status]int64{}}
		}
		switch {
		case c.Status == Duplicated:
			types[c.Lane].Duplicates = n
		case n != 0:
			types[c.Lane].ByStatus[c.Status] = n
			if c.Status == inbox.Pending {
				pending = append(pending, c.Lane)
			}
		}
	}
	due, err := firstDue(pending)
	if err != nil {
		return inbox.Stats{}, err
	}
	for l, t := range types {
		if at, ok := due[l]; ok {
			t.OldestPending = max(0, time.Since(at))
			stats.OldestPending = max(stats.OldestPending, t.OldestPending)
		}
		stats.Types = append(stats.Types, *t)
	}
	slices.SortFunc(stats.Types, func(a, b inbox.TypeStats) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Type, b.Type))
	})
	return stats, nil
}
