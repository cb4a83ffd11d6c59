package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// keys tell which events are there. Their index (inbox_keys) is the one part of a ledger that grows at random: of a large one, each new key is in a page of
// its own, which is written into the log and then back. So keys go into it in long sorted runs, many into a page, and those of the newest deliveries, which
// are not in it yet, are held in memory. While a run of [keysInRun] goes into the index, half as many come.
//
// inbox_keyed has the id up to which all keys are in the index. No delivery above it is ever removed. Whoever stores looks first what other processes have
// stored or put into the index since; all of this is read and changed in transactions that hold SQLite's one lock for writing, so that no two differ.
//
// keys are used by the writer's goroutine alone, and change when its transaction is committed.
type keys struct {
	fresh map[webhook.Key]int64 // ids of the deliveries above upto
	upto  int64                 // inbox_keyed, when it was last read
	last  int64                 // the newest delivery that is known

	run    []webhook.Key // what is left to be put into the index, sorted
	runEnd int64         // once it is there, all keys up to this id are
	owed   int           // how many of them are to go there for what was stored
}

const (
	keysInRun     = 1 << 15
	keysAtOnce    = 32 // by one statement
	indexedForOne = 2  // keys that go into the index, while a run is under way, for each that is stored
)

// looks has the statement that finds so many keys. Where fewer are sought, one is sought again.
var looks = powers(64, func(n int) string {
	return "WITH sought (key) AS (VALUES " + strings.Repeat(", (?)", n)[2:] + ") SELECT k.key, k.id FROM sought CROSS JOIN inbox_keys AS k ON k.key = sought.key"
})

var indexKeys = "INSERT OR REPLACE INTO inbox_keys (key, id) VALUES " + strings.Repeat(", (?, ?)", keysAtOnce)[2:]

// catchUp reads what other processes have done. It does so once a transaction, before anything is stored in it.
func (k *keys) catchUp(ctx context.Context, s *session, t tally) error {
	if t.keys.caughtUp {
		return nil
	}
	var upto, last int64
	if err := s.queryRow(ctx, []any{&upto, &last}, `SELECT id, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'inbox_deliveries'), 0) FROM inbox_keyed`); err != nil {
		return err
	}
	if upto != k.upto || k.fresh == nil {
		k.forget(upto)
	}
	if last > k.last {
		rows, err := s.query(ctx, "SELECT id, key FROM inbox_deliveries WHERE id > ?", max(k.last, k.upto))
		if err != nil {
			return err
		}
		found := map[webhook.Key]int64{}
		if err := scanEach(rows, func(rows *sql.Rows) error {
			var id int64
			var key webhook.Key
			err := rows.Scan(&id, (*storedKey)(&key))
			found[key] = id
			return err
		}); err != nil {
			return err
		}
		k.add(found, last)
	}
	t.keys.caughtUp = true
	return nil
}

// forget drops what is in the index. Another process, if it was that, may since have removed those deliveries.
func (k *keys) forget(upto int64) {
	k.upto, k.run, k.last = upto, nil, max(k.last, upto)
	if k.fresh == nil {
		k.fresh = map[webhook.Key]int64{}
	}
	for key, id := range k.fresh {
		if id <= upto {
			delete(k.fresh, key)
		}
	}
}

// add notes deliveries that are committed.
func (k *keys) add(stored map[webhook.Key]int64, last int64) {
	maps.Copy(k.fresh, stored)
	k.last = last
}

// find sets there of events to the ids of the deliveries that they are, or were when their keys were noted.
func (k *keys) find(ctx context.Context, s *session, t tally, events []*arrival) error {
	if err := k.catchUp(ctx, s, t); err != nil {
		return err
	}
	others := make([]any, 0, len(events))
	for _, a := range events {
		if a.there = k.fresh[a.Key]; a.there == 0 && k.upto > 0 { // until a run has ended, the index has none but what is in memory
			others = append(others, a.Key[:])
		}
	}
	for len(others) > 0 {
		n := 1
		for n < len(others) && looks[2*n] != "" {
			n *= 2
		}
		sought := others[:min(n, len(others))]
		others = others[len(sought):]
		for len(sought) < n {
			sought = append(slices.Clip(sought), sought[0])
		}
		rows, err := s.query(ctx, looks[n], sought...)
		if err != nil {
			return err
		}
		if err := scanEach(rows, func(rows *sql.Rows) error {
			var id int64
			var key webhook.Key
			err := rows.Scan((*storedKey)(&key), &id)
			for _, a := range events {
				if a.Key == key {
					a.there = id
				}
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// drop forgets the key of a delivery that somebody else than the ledger has removed.
func (k *keys) drop(ctx context.Context, s *session, t tally, key webhook.Key) error {
	delete(k.fresh, key)
	k.run, t.keys.indexed = nil, 0 // it may be in the run; the next one has the others
	_, err := s.exec(ctx, "DELETE FROM inbox_keys WHERE key = ?", key[:])
	return err
}

// index puts about n keys into the index. It begins a run when that would be long enough, or anyhow.
func (k *keys) index(ctx context.Context, s *session, t tally, n int, anyhow bool) error {
	if t.keys.ended || len(k.run) == 0 && len(k.fresh) < keysInRun && !anyhow {
		return nil
	}
	if err := k.catchUp(ctx, s, t); err != nil {
		return err
	}
	if len(k.run) == 0 {
		k.begin()
	}
	k.owed += n
	for t.keys.indexed < len(k.run) && k.owed >= keysAtOnce {
		step := k.run[t.keys.indexed:]
		step = step[:min(keysAtOnce, len(step))]
		args := make([]any, 0, 2*keysAtOnce)
		for i := range keysAtOnce {
			key := step[min(i, len(step)-1)]
			args = append(args, key[:], k.fresh[key])
		}
		if _, err := s.exec(ctx, indexKeys, args...); err != nil {
			return err
		}
		t.keys.indexed += len(step)
		k.owed -= keysAtOnce
	}
	if t.keys.indexed < len(k.run) {
		return nil
	}
	t.keys.ended = true
	_, err := s.exec(ctx, "UPDATE inbox_keyed SET id = ?", k.runEnd)
	return err
}

// begin makes a run of what is in memory.
func (k *keys) begin() {
	k.run = make([]webhook.Key, 0, len(k.fresh))
	for key := range k.fresh {
		k.run = append(k.run, key)
	}
	slices.SortFunc(k.run, func(a, b webhook.Key) int { return bytes.Compare(a[:], b[:]) })
	k.runEnd, k.owed = k.last, 0
}

// A keyTally is what a transaction does to the keys, to be noted when it is committed.
type keyTally struct {
	caughtUp bool
	stored   map[webhook.Key]int64
	last     int64 // of stored
	indexed  int   // so many keys of the run were put into the index
	ended    bool  // that was the end of the run
}

func newKeyTally() *keyTally { return &keyTally{stored: map[webhook.Key]int64{}} }

func (t *keyTally) store(key webhook.Key, id int64) {
	t.stored[key] = id
	t.last = max(t.last, id)
}

// committed notes what a transaction has done.
func (k *keys) committed(t *keyTally) {
	if t.ended {
		k.forget(k.runEnd)
	} else {
		k.run = k.run[t.indexed:]
	}
	if t.last > 0 {
		k.add(t.stored, t.last)
	}
}
