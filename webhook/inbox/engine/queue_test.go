package engine_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

func queueOf(t *testing.T, c inbox.Config) *engine.Queue[int] {
	t.Helper()
	c, err := c.Complete()
	if err != nil {
		t.Fatal(err)
	}
	var q engine.Queue[int]
	q.Init(c)
	return &q
}

func TestQueueIsBoundedForWhatComesFromOutside(t *testing.T) {
	q := queueOf(t, inbox.Config{MaxQueue: 3, MaxQueueBytes: 100})
	for _, row := range []struct {
		name string
		size int64
		want error
	}{
		{"the first", 50, nil},
		{"more bytes than there is room for", 51, inbox.ErrQueueFull},
		{"the second", 40, nil},
		{"what the inbox writes itself", 0, nil},
		{"the third", 10, nil},
		{"one too many", 1, inbox.ErrQueueFull},
		{"what the inbox writes itself, in a full queue", 0, nil},
	} {
		if err := q.Add(1, row.size); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	if q.Events() != 3 || !q.Full() {
		t.Errorf("%d wait, full %v", q.Events(), q.Full())
	}
	if got := q.Take(); len(got) != 5 {
		t.Errorf("took %v", got)
	}
	if q.Events() != 0 || q.Full() || q.Add(1, 100) != nil {
		t.Error("there is room again")
	}
}

func TestQueueGivesGroupsInOrderUntilItIsClosedAndEmpty(t *testing.T) {
	q := queueOf(t, inbox.Config{MaxQueueBytes: 1 << 30})
	for i := range 600 {
		if err := q.Add(i, 1); err != nil {
			t.Fatal(err)
		}
	}
	for i, size := range []int64{9 << 20, 5 << 20, 3 << 20, 1 << 20} { // a group has 8 MiB, or a single larger one
		if err := q.Add(600+i, size); err != nil {
			t.Fatal(err)
		}
	}
	q.Close()
	if !q.Closed() || !errors.Is(q.Add(1, 0), inbox.ErrClosed) {
		t.Error("a closed queue takes more")
	}
	var lengths, all []int
	for {
		group := q.Take()
		if len(group) == 0 {
			break
		}
		lengths, all = append(lengths, len(group)), append(all, group...)
	}
	if diff := cmp.Diff([]int{512, 88, 1, 2, 1}, lengths); diff != "" {
		t.Error(diff)
	}
	for i, v := range all {
		if i != v {
			t.Fatalf("%d comes at %d", v, i)
		}
	}
}

// A group has those whose events come one by one at the same time as it is taken, also where time does not pass by itself.
func TestQueueGathersWhoComesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queueOf(t, inbox.Config{})
		const producers, each = 8, 50
		taken := make(chan int)
		go func() {
			for n := 0; n < producers*each; {
				group := q.Take()
				n += len(group)
				for range group {
					taken <- len(group)
				}
			}
			close(taken)
		}()
		for range producers {
			go func() {
				for range each {
					if err := q.Add(1, 1); err != nil {
						t.Error(err)
					}
					<-taken
				}
			}()
		}
		synctest.Wait()
		if _, open := <-taken; open {
			t.Error("more was taken than came")
		}
	})
}
