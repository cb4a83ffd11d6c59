package drivertest_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
)

func openBench(b *testing.B) (*ledger, *sqlite.Inbox) {
	b.Helper()
	db, err := sql.Open("sqlite", drivers["sqlite"](filepath.Join(b.TempDir(), "x.db")))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := db.ExecContext(b.Context(), "CREATE TABLE credits (key TEXT NOT NULL)"); err != nil {
		b.Fatal(err)
	}
	box, err := sqlite.Open(db, inbox.Config{MaxQueue: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = box.Close(); _ = db.Close() })
	return &ledger{db}, box
}

func benchEvent(i int) webhook.Event {
	e := inboxtest.Event("p", "t", strconv.Itoa(i))
	e.Body = make([]byte, 1024)
	return e
}

// BenchmarkAccept stores 1 KiB events from 64 producers.
func BenchmarkAccept(b *testing.B) {
	_, box := openBench(b)
	acceptAll(b, box)
}

func acceptAll(b *testing.B, box *sqlite.Inbox) {
	b.Helper()
	var next sync.Mutex
	n := 0
	var producers sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		producers.Go(func() {
			for {
				next.Lock()
				i := n
				n++
				next.Unlock()
				if i >= b.N {
					return
				}
				if _, err := box.Accept(context.Background(), benchEvent(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	producers.Wait() // each ends with an error that it is told
	b.StopTimer()
}

// BenchmarkHandle handles stored events, each with one effect in its transaction.
func BenchmarkHandle(b *testing.B) {
	l, box := openBench(b)
	acceptAll(b, box)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	left := make(chan struct{}, b.N)
	if err := box.Handle("p", "t", func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
		left <- struct{}{}
		return l.Credit(ctx, tx, d.IdempotencyKey())
	}); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	b.StartTimer()
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx) }()
	for range b.N {
		testwait.For(b, "a delivery", left)
	}
	b.StopTimer()
	cancel()
	<-done
}
