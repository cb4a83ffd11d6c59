package storetest_test

import (
	"testing"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) revalidate.Store {
		m, err := revalidate.NewMemory(8 << 20)
		if err != nil {
			t.Fatal(err)
		}
		return m
	})
}
