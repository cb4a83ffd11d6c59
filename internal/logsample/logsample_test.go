package logsample_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/logsample"
)

func TestAFloodIsAHundredLinesAndTenASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := logsample.New()
		in := 0
		for range 1000 {
			if left, ok := s.Take(); ok && left == 0 {
				in++
			}
		}
		if in != 100 {
			t.Errorf("%d of 1000 lines are let in", in)
		}
		s.Leave()
		time.Sleep(time.Second)
		if left, ok := s.Take(); !ok || left != 901 {
			t.Errorf("a second later: %d left out, let in %v", left, ok)
		}
		for in = 1; ; in++ {
			if _, ok := s.Take(); !ok {
				break
			}
		}
		if in != 10 {
			t.Errorf("%d lines in a second", in)
		}
	})
}
