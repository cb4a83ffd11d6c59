package logsample_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/logsample"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

func TestAFloodIsAThousandLinesAndTenASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := logsample.New()
		in := 0
		for range 5000 {
			if left, ok := s.Take(); ok && left == 0 {
				in++
			}
		}
		if in != 1000 {
			t.Errorf("%d of 5000 lines are let in", in)
		}
		s.Leave()
		time.Sleep(time.Second)
		if left, ok := s.Take(); !ok || left != 4001 {
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

func TestALineSaysHowManyWereLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		logger := slog.New(slog.NewTextHandler(&out, nil))
		lines := logsample.NewRefusals()
		for range 5000 {
			lines.Log(t.Context(), logger, "refused", 403, "forged")
		}
		if got := out.String(); strings.Count(got, `level=WARN msg=refused cause=forged`) != 1000 || strings.Contains(got, "unlogged") {
			t.Errorf("a flood:\n%s", got)
		}
		out.Reset()
		time.Sleep(time.Second)
		lines.Log(t.Context(), logger, "refused", 403, "forged")
		lines.Log(t.Context(), logger, "failed", 503, "down")
		if got := out.String(); !strings.Contains(got, "cause=forged unlogged=4000") || !strings.Contains(got, "level=ERROR msg=failed cause=down\n") {
			t.Errorf("a second later:\n%s", got)
		}
	})
}

func TestALineNamesTheRequest(t *testing.T) {
	var out strings.Builder
	logger := slog.New(slog.NewTextHandler(&out, nil))
	logsample.NewRefusals().Log(requestid.With(t.Context(), "R1"), logger, "refused", 403, "forged")
	if got := out.String(); !strings.Contains(got, "cause=forged request_id=R1\n") {
		t.Error(got)
	}
}

func TestRefusalsHideNoFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := logsample.NewRefusals()
		for range 5000 {
			lines.Take(401)
		}
		if left, ok := lines.Take(500); !ok || left != 0 {
			t.Errorf("a fault after a flood of refusals: %d left out, let in %v", left, ok)
		}
		if _, ok := lines.Take(499); ok {
			t.Error("one more refusal is let in")
		}
	})
}
