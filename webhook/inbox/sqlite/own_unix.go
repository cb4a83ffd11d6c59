//go:build unix

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// ownPoll is how often a process that waits for its turn tries again.
const ownPoll = 200 * time.Millisecond

// own waits until this process is the one that handles the database's deliveries, and returns what ends that.
func (b *Inbox) own(ctx context.Context) (release func(), err error) {
	path, err := path(ctx, b.db)
	if err != nil || path == "" {
		return func() {}, err // a database in memory has no other process
	}
	f, err := os.OpenFile(path+"-inbox-lock", os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the caller's own database
	if err != nil {
		return nil, fmt.Errorf("sqlite inbox: lock: %w", err)
	}
	for waited := false; ; waited = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // which gives the lock back
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("sqlite inbox: lock: %w", err), f.Close())
		}
		if !waited {
			b.config.Logger.InfoContext(ctx, "inbox waits: another process handles this ledger", "lock", f.Name())
		}
		if !engine.Sleep(ctx, ownPoll) {
			return nil, errors.Join(ctx.Err(), f.Close())
		}
	}
}
