package revalidate_test

import (
	"context"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// held is a store whose Load has its answer and does not return it until it is let go.
type held struct {
	revalidate.Store
	loaded, release chan struct{}
}

func (h *held) Load(ctx context.Context, key string) (*revalidate.Entry, error) {
	e, err := h.Store.Load(ctx, key)
	close(h.loaded)
	<-h.release
	return e, err
}

// A read of the far tier that began before a change must not put into the near one what the change replaced.
func TestWhatATierReplacesDoesNotComeBack(t *testing.T) {
	entry := func(value string) *revalidate.Entry {
		e, err := revalidate.NewEntry(value, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	renewed := entry("new")
	for _, row := range []struct {
		name   string
		change func(revalidate.Store) error
		want   *revalidate.Entry
	}{
		{"a deletion", func(s revalidate.Store) error { return s.Delete(t.Context(), "key") }, nil},
		{"a save", func(s revalidate.Store) error { return s.Save(t.Context(), "key", renewed) }, renewed},
		{"a clearing", func(s revalidate.Store) error { return s.Clear(t.Context()) }, nil},
	} {
		near, err := revalidate.NewMemory(revalidate.MemoryConfig{MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		far, err := revalidate.NewMemory(revalidate.MemoryConfig{MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if err := far.Save(t.Context(), "key", entry("old")); err != nil {
			t.Fatal(err)
		}
		slow := &held{Store: far, loaded: make(chan struct{}), release: make(chan struct{})}
		tiers := revalidate.NewTiered(near, slow)
		read := make(chan error, 1)
		go func() {
			_, err := tiers.Load(context.Background(), "key")
			read <- err
		}()
		<-slow.loaded
		if err := row.change(tiers); err != nil {
			t.Fatal(err)
		}
		close(slow.release)
		if err := <-read; err != nil {
			t.Error(err)
		}
		if got, err := near.Load(t.Context(), "key"); got != row.want || err != nil {
			t.Errorf("after %s near has %v, %v", row.name, got, err)
		}
	}
}
