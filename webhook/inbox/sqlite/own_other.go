//go:build !unix

package sqlite

import (
	"context"
	"fmt"
	"os"
)

// own takes the ledger for this process, or fails: a file beside the database, opened so that nobody else may, tells the processes apart. The system
// gives it back when a process dies, since it is removed and recreated only by its owner.
func (b *Inbox) own(ctx context.Context) (release func(), err error) {
	path, err := path(ctx, b.db)
	if err != nil || path == "" {
		return func() {}, err // a database in memory has no other process
	}
	name := path + "-inbox-lock"
	_ = os.Remove(name) // fails where another process has it open
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite inbox: another process handles this ledger: %w", err)
	}
	return func() {
		_ = f.Close()
		_ = os.Remove(name)
	}, nil
}
