package callbacktest_test

import (
	"testing"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
)

func TestMemoryStore(t *testing.T) {
	callbacktest.SessionStore(t, func(t *testing.T) callback.SessionStore {
		m, err := callback.NewMemoryStore(1000)
		if err != nil {
			t.Fatal(err)
		}
		return m
	})
}
