package provider_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testsender"
)

// What a delivery is read into is used again: one delivery must not see another's.
func TestIndependentDeliveriesAtTheSameTime(t *testing.T) {
	for _, p := range everyone() {
		t.Run(titleOf(p), func(t *testing.T) {
			v := receiverOf(t, p, 1, 0)
			good, forged := p.Send(sentBy(p, 0)), p.Send(sentBy(p, 2))
			var all sync.WaitGroup
			failures := make(chan string, 400)
			for range 8 {
				all.Go(func() {
					for range 25 {
						for _, row := range []struct {
							r        testsender.Request
							accepted bool
						}{{good, true}, {forged, false}} {
							h, err := row.r.HTTP()
							if err != nil {
								failures <- err.Error()
								return
							}
							proof, err := v.Verify(h, []byte(row.r.Body), now)
							if (err == nil) != row.accepted || err == nil && proof.Secret != 1 {
								failures <- fmt.Sprint(row.accepted, proof, err)
							}
						}
					}
				})
			}
			all.Wait()
			close(failures)
			for failure := range failures {
				t.Error(failure)
			}
		})
	}
}
