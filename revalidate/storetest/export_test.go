package storetest

import "github.com/gatehouse-go/gatehouse/revalidate"

// Check checks each promise of a new store, and returns the promises that are broken, by name.
func Check(open func() revalidate.Store) map[string]error {
	broken := make(map[string]error)
	for _, p := range promises() {
		if err := p.check(open()); err != nil {
			broken[p.name] = err
		}
	}
	return broken
}
