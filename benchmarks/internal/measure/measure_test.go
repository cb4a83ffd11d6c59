package measure_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

var (
	sink   []byte
	number int
)

// spin is work without allocation.
func spin() {
	for i := range 1000 {
		number += i
	}
}

func TestRunCountsEachContenderAlone(t *testing.T) {
	job := func(allocs int) func(int) {
		return func(n int) {
			for range n {
				spin()
				for range allocs {
					sink = make([]byte, 64)
				}
			}
		}
	}
	results := measure.Run(measure.Case{Contenders: []measure.Contender{
		{Name: "none", Kind: measure.Limit, Do: job(0)},
		{Name: "one", Kind: measure.Ours, Do: job(1)},
		{Name: "seven", Kind: measure.Peer, Do: job(7)},
	}}, measure.Options{Rounds: 4, Slice: time.Millisecond})
	for i, want := range []float64{0, 1, 7} {
		r := results[i]
		if math.Round(r.Allocs) != want || math.Abs(r.Bytes-64*want) > 32 || r.Low > r.Median || r.Median > r.High || r.Low <= 0 {
			t.Errorf("%s: %+v", r.Name, r)
		}
	}
}

// A job that another process does takes what that process uses, however long one waits for it.
func TestRunOfAnotherProcess(t *testing.T) {
	var jobs int
	results := measure.Run(measure.Case{Contenders: []measure.Contender{{
		Name: "elsewhere", Kind: measure.Ours,
		Do: func(n int) {
			for range n {
				jobs++
				spin()
			}
		},
		CPU: func() time.Duration { return time.Duration(jobs) * 7 * time.Microsecond },
	}}}, measure.Options{Rounds: 3, Slice: time.Millisecond})
	if r := results[0]; r.Median != 7000 || r.Low != 7000 || r.Allocs != 0 || r.Rate <= 0 {
		t.Errorf("got %+v", r)
	}
	got := measure.Judge([]measure.Bar{{measure.PeersRate, 0.05}}, []measure.Result{{Kind: measure.Ours, Rate: 2000}, {Kind: measure.Peer, Rate: 100}})
	if got[0].Reached != 0.05 || !got[0].Met {
		t.Errorf("a peer of a twentieth of the rate: %+v", got)
	}
}

// A contender that waits is given time, not a number, and its figure is the middle one of what each job took.
func TestRunOfWhatHasItsOwnPace(t *testing.T) {
	prepared, least := 0, math.MaxInt
	results := measure.Run(measure.Case{
		Prepare: func() { prepared++ },
		AtLeast: 100,
		Contenders: []measure.Contender{
			{Name: "waits", Kind: measure.Ours, Waits: func(d time.Duration) []time.Duration {
				if d != 10*time.Millisecond || prepared != 1 {
					t.Errorf("%v, prepared %d times", d, prepared)
				}
				return []time.Duration{time.Hour, 2, 7}
			}},
			{Name: "is slow", Kind: measure.Peer, Do: func(n int) {
				if n > 1 {
					least = min(least, n)
				}
				time.Sleep(time.Millisecond)
			}},
		},
	}, measure.Options{Rounds: 3, Slice: time.Millisecond})
	if results[0].Median != 7 || least != 100 {
		t.Errorf("got %+v, at least %d", results[0], least)
	}
}

func TestExtraTimeIsThatOfEachRound(t *testing.T) {
	limit := measure.Result{Kind: measure.Limit}.WithTimes(10, 20, 30)
	ours := measure.Result{Kind: measure.Ours}.WithTimes(12, 50, 33)
	if v := measure.Judge([]measure.Bar{{measure.ExtraTime, 3}}, []measure.Result{limit, ours}); v[0].Reached != 3 || !v[0].Met {
		t.Errorf("got %+v", v)
	}
}

func TestJudge(t *testing.T) {
	results := []measure.Result{
		{Name: "bare", Kind: measure.Limit, Median: 100, Allocs: 1, CPU: 50, Held: 10},
		{Name: "gatehouse", Kind: measure.Ours, Median: 150, Allocs: 3.02, Bytes: 50, CPU: 90, Held: 12},
		{Name: "slow", Kind: measure.Peer, Median: 600},
		{Name: "fast", Kind: measure.Peer, Median: 300, Bytes: 80},
	}
	var got []float64
	var met []bool
	for _, v := range measure.Judge([]measure.Bar{
		{measure.TimesLimit, 1.4}, {measure.TimesPeer, 0.5}, {measure.Allocs, 3}, {measure.ExtraAllocs, 1}, {measure.ExtraBytes, -20}, {measure.Nanoseconds, 150}, {measure.ExtraTime, 49}, {measure.CPU, 90}, {measure.TimesCPU, 1.7}, {measure.RoundTimes, 1.5}, {measure.ExtraHeld, 3}, {measure.TimesHeld, 1.2}, {"charm", 1},
	}, results) {
		got, met = append(got, v.Reached), append(met, v.Met)
	}
	if diff := cmp.Diff([]float64{1.5, 0.5, 3, 2, -30, 150, 50, 90, 1.8, 1.5, 2, 1.2, math.Inf(1)}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]bool{false, true, true, false, true, true, false, true, false, true, true, true, false}, met); diff != "" {
		t.Error(diff)
	}
	if v := measure.Judge([]measure.Bar{{measure.TimesPeer, 1}}, results[:2]); v[0].Reached != 0 || !v[0].Met {
		t.Errorf("without a peer nobody is faster: %+v", v)
	}
}

func TestProcessorTimeAndWhatIsHeld(t *testing.T) {
	results := measure.Run(measure.Case{Contenders: []measure.Contender{
		{Name: "timed", Kind: measure.Limit, Do: func(n int) {
			for range n {
				spin()
			}
		}},
		{Name: "held", Kind: measure.Ours, Hold: func() float64 { return 42 }},
	}}, measure.Options{Rounds: 3, Slice: time.Millisecond})
	if r := results[0]; r.CPU <= 0 || r.Held != 0 {
		t.Errorf("%+v", r)
	}
	if r := results[1]; r.Held != 42 || r.Median != 0 || r.CPU != 0 {
		t.Errorf("%+v", r)
	}
}

// A first time that takes long, since a connection is opened, does not make a round of one.
func TestASlowFirstTimeIsNotWhatItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		if n := measure.Calibrate(func(n int) {
			if first {
				first = false
				time.Sleep(time.Second)
			}
			time.Sleep(time.Duration(n) * time.Microsecond)
		}, 20*time.Millisecond); n != 20000 {
			t.Errorf("%d times", n)
		}
	})
}

// What disturbs a round disturbs both: the bar is about each round's ratio.
func TestTimesCPUComparesRoundByRound(t *testing.T) {
	got := measure.Judge([]measure.Bar{{measure.TimesCPU, 1.03}}, []measure.Result{
		measure.Result{Kind: measure.Limit}.WithCPU(10, 40, 10),
		measure.Result{Kind: measure.Ours}.WithCPU(10, 40, 20),
	})
	if got[0].Reached != 1 || !got[0].Met {
		t.Errorf("%+v", got)
	}
}

func TestSomeCasesGetMoreRounds(t *testing.T) {
	short := measure.Options{Rounds: 5, Slice: 20 * time.Millisecond}
	elsewhere := []measure.Contender{{CPU: func() time.Duration { return 0 }}}
	for _, row := range []struct {
		c    measure.Case
		want measure.Options
	}{
		{measure.Case{}, short},
		{measure.Case{Bars: []measure.Bar{{measure.TimesCPU, 1.03}}}, measure.Options{Rounds: 25, Slice: 20 * time.Millisecond}},
		{measure.Case{Contenders: elsewhere}, measure.Options{Rounds: 25, Slice: 100 * time.Millisecond}},
	} {
		if got := short.OrLeast(row.c); got != row.want {
			t.Errorf("%+v: %+v", row.c.Bars, got)
		}
	}
}
