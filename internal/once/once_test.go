package once_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/once"
)

func TestTakeWorksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := once.New(time.Minute, 10)
		if s.Used("a") || !s.Take("a") || s.Take("a") || !s.Used("a") || !s.Take("b") {
			t.Error("a value can be taken once")
		}
		s.Release("a")
		if s.Used("a") || !s.Take("a") {
			t.Error("a released value can be taken again")
		}
		time.Sleep(time.Minute)
		if s.Used("a") || !s.Take("a") {
			t.Error("a value is forgotten after its time")
		}
	})
}

func TestMarksAreBounded(t *testing.T) {
	s := once.New(time.Hour, 3)
	for i := range 5 {
		if !s.Take(fmt.Sprint(i)) {
			t.Errorf("%d was taken", i)
		}
	}
	for i := range 5 {
		if got, want := s.Used(fmt.Sprint(i)), i >= 2; got != want {
			t.Errorf("%d is remembered: %v", i, got)
		}
	}
}
