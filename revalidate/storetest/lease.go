package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// leases are what the checks of leases need; the checks have nothing to say about a store that has none.
func leases(s revalidate.Store, check func(*leaseCheck) error) error {
	l, ok := s.(revalidate.Leaser)
	if !ok {
		return nil
	}
	return check(&leaseCheck{store: l, began: time.Now()})
}

type leaseCheck struct {
	store revalidate.Leaser
	began time.Time
}

// ask asks for a lease of an hour; the error says where it was got and should not have been, or the other way round.
func (c *leaseCheck) ask(key string, want bool) (revalidate.Lease, error) {
	return c.askFor(key, revalidate.LeaseQuestion{Began: c.began, Life: time.Hour}, want)
}

func (c *leaseCheck) askFor(key string, q revalidate.LeaseQuestion, want bool) (revalidate.Lease, error) {
	lease, err := c.store.Lease(context.Background(), key, q)
	if err != nil || (lease != nil) != want {
		return lease, fmt.Errorf("lease of %q: got one: %v, want one: %v (%w)", key, lease != nil, want, err)
	}
	return lease, nil
}

func leaseIsOnes(s revalidate.Store) error {
	return leases(s, func(c *leaseCheck) error {
		lease, err := c.ask("key", true)
		if err != nil {
			return err
		}
		if _, err = c.ask("key", false); err != nil {
			return err
		}
		if _, err = c.ask("other", true); err != nil {
			return err
		}
		if err = lease.End(context.Background()); err != nil {
			return fmt.Errorf("end of a lease: %w", err)
		}
		if lease, err = c.ask("key", true); err != nil {
			return fmt.Errorf("after its end: %w", err)
		}
		if err = lease.Save(context.Background(), entry(1, time.Hour, "a")); err != nil {
			return fmt.Errorf("save by the holder: %w", err)
		}
		if err = expect(s, "key", "a"); err != nil {
			return err
		}
		if _, err = c.ask("key", true); err != nil {
			return fmt.Errorf("after the holder's save: %w", err)
		}
		return lease.End(context.Background()) // it is over, which is no error
	})
}

// soon is a lease's life that a check waits for.
const soon = 200 * time.Millisecond

func leaseEnds(s revalidate.Store) error {
	return leases(s, func(c *leaseCheck) error {
		if _, err := c.askFor("key", revalidate.LeaseQuestion{Began: c.began, Life: soon}, true); err != nil {
			return err
		}
		time.Sleep(2 * soon)
		_, err := c.ask("key", true)
		return err
	})
}

// loses returns an error unless the holder has lost its lease, and saves nothing in place of the entry tagged so.
func loses(s revalidate.Store, lease revalidate.Lease, tags string) error {
	if err := lease.Save(context.Background(), entry(0, time.Hour, "late")); !errors.Is(err, revalidate.ErrLeaseLost) {
		return fmt.Errorf("save by one who lost the lease: %w, want ErrLeaseLost", err)
	}
	return expect(s, "key", tags)
}

func leaseLost(s revalidate.Store) error {
	return leases(s, func(c *leaseCheck) error {
		first, err := c.askFor("key", revalidate.LeaseQuestion{Began: c.began, Life: soon}, true)
		if err != nil {
			return err
		}
		time.Sleep(2 * soon)
		second, err := c.ask("key", true)
		if err != nil {
			return err
		}
		if err = loses(s, first, ""); err != nil {
			return err
		}
		if err = first.End(context.Background()); err != nil {
			return err
		}
		if _, err = c.ask("key", false); err != nil {
			return fmt.Errorf("after the end of a lease that was over: %w", err)
		}
		if err = second.Save(context.Background(), entry(2, time.Hour, "second")); err != nil {
			return fmt.Errorf("save by the second holder: %w", err)
		}
		return expect(s, "key", "second")
	})
}

func leaseTaken(s revalidate.Store) error {
	return leases(s, func(c *leaseCheck) error {
		ctx := context.Background()
		for _, row := range []struct {
			by   string
			do   func() error
			left string
		}{
			{"a save", func() error { return s.Save(ctx, "key", entry(1, time.Hour, "set")) }, "set"},
			{"a deletion", func() error { return s.Delete(ctx, "key") }, ""},
			{"a clearing", func() error { return s.Clear(ctx) }, ""},
		} {
			lease, err := c.ask("key", true)
			if err != nil {
				return err
			}
			if err = row.do(); err != nil {
				return err
			}
			if err = loses(s, lease, row.left); err != nil {
				return fmt.Errorf("after %s: %w", row.by, err)
			}
		}
		return nil
	})
}

func leaseTakenOver(s revalidate.Store) error {
	return leases(s, func(c *leaseCheck) error {
		first, err := c.ask("key", true)
		if err != nil {
			return err
		}
		if _, err = c.askFor("key", revalidate.LeaseQuestion{Began: c.began.Add(time.Second), Since: c.began, Life: time.Hour}, false); err != nil {
			return fmt.Errorf("a fill that begins at the invalidation counts: %w", err)
		}
		second, err := c.askFor("key", revalidate.LeaseQuestion{Began: c.began.Add(2 * time.Second), Since: c.began.Add(time.Second), Life: time.Hour}, true)
		if err != nil {
			return fmt.Errorf("a fill that began before the invalidation: %w", err)
		}
		if err = loses(s, first, ""); err != nil {
			return err
		}
		if err = second.Save(context.Background(), entry(2, time.Hour, "second")); err != nil {
			return fmt.Errorf("save by the second holder: %w", err)
		}
		return expect(s, "key", "second")
	})
}
