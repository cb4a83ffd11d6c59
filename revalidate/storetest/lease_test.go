package storetest_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/internal/leasetest"
	"github.com/gatehouse-go/gatehouse/revalidate/storetest"
)

func TestLeaseFaultsAreFound(t *testing.T) {
	t.Parallel()
	const (
		alone = "a lease is one's alone, until it ends"
		ends  = "a lease ends by itself"
		lost  = "who lost a lease saves nothing"
		taken = "a save, a deletion and a clearing take leases away"
		over  = "a newer fill takes over"
	)
	down := func(of string) func(string) error {
		return func(call string) error {
			if call == of {
				return errors.New("down")
			}
			return nil
		}
	}
	for _, row := range []struct {
		fault  string
		fail   func(string) error
		breaks []string // at least
	}{
		{"", nil, nil},
		{leasetest.Always, nil, []string{alone, lost}},
		{leasetest.Never, nil, []string{alone, ends, lost, taken, over}},
		{leasetest.Endless, nil, []string{ends, lost}},
		{leasetest.NoEnd, nil, []string{alone}},
		{leasetest.EndsAny, nil, []string{lost}},
		{leasetest.NoFence, nil, []string{lost, taken, over}},
		{leasetest.KeepsAtSave, nil, []string{alone}},
		{leasetest.KeepsAtWrite, nil, []string{taken}},
		{leasetest.KeepsAtDrop, nil, []string{taken}},
		{leasetest.KeepsAtClear, nil, []string{taken}},
		{leasetest.NoTakeover, nil, []string{over}},
		{leasetest.TakesTooMuch, nil, []string{over}},
		{leasetest.OneForAll, nil, []string{alone}},
		{leasetest.SavesNothing, nil, []string{alone}},
		{"Lease fails", down("Lease"), []string{alone, ends, lost, taken, over}},
		{"Save fails", down("Save"), []string{alone, lost, taken, over}},
		{"End fails", down("End"), []string{alone, lost}},
	} {
		t.Run(row.fault, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				found := storetest.Check(func() revalidate.Store {
					return &leasetest.Store{Memory: memory(t), Fault: row.fault, Fail: row.fail}
				})
				wantBroken(t, found, row.breaks)
			})
		})
	}
}
