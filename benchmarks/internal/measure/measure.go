// Package measure times several ways of doing one job side by side: in one process, in interleaved rounds, so that what disturbs
// the machine disturbs all of them.
package measure

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// Kind says what a contender is there for.
type Kind string

// Kinds of contenders.
const (
	Limit Kind = "limit" // the least that the job can cost: bare hardware or net/http
	Ours  Kind = "ours"
	Peer  Kind = "peer"  // another library
	Aside Kind = "aside" // another way to a similar end, which no bar is about
)

// A Case is one job with all who do it.
type Case struct {
	Name       string
	Prepare    func() // nil, or called once before the first contender
	AtLeast    int    // times that each contender does the job in a round, where it must be busy for the case to mean anything
	Contenders []Contender
	Bars       []Bar
}

// A Contender is one way to do the job of a Case.
type Contender struct {
	Name string
	Kind Kind
	Do   func(n int) // does the job n times; it must do real work, and panic when the outcome is wrong
	// CPU is set where another process does the job, and returns the processor time that it has used. A job's time is then that, and
	// allocations are not counted.
	CPU func() time.Duration
	// Hold does something once, instead of Do, and returns how many bytes of memory each of the things it made holds on to.
	Hold func() float64

	// Waits, in place of Do, does the job at its own pace for so long, and returns what each one took. It must return at least one.
	Waits func(d time.Duration) []time.Duration
}

// A Bar is what ours must reach in a Case.
type Bar struct {
	Quantity Quantity
	AtMost   float64 // the bound, in the quantity's unit
}

// Quantity is what a Bar bounds.
type Quantity string

// Quantities.
const (
	TimesLimit  Quantity = "x limit"         // median time over that of the limit
	TimesPeer   Quantity = "x best peer"     // median time over that of the fastest peer
	Allocs      Quantity = "allocations"     // a job
	ExtraAllocs Quantity = "allocs more"     // a job, more than the limit
	ExtraBytes  Quantity = "bytes more"      // allocated for a job, more than by the fastest peer
	Nanoseconds Quantity = "ns"              // median time
	ExtraTime   Quantity = "ns more"         // time more than that of the limit: the median of the rounds' differences, since what disturbs a round disturbs both
	RoundTimes  Quantity = "x limit a round" // time over that of the limit: the median of the rounds' ratios
	PeersRate   Quantity = "of our rate"     // jobs a second of the fastest peer, as a share of ours
	CPU         Quantity = "ns of CPU"       // median processor time, which other programs on the machine disturb less
	TimesCPU    Quantity = "x limit's CPU"   // the same over that of the limit, the median of the rounds' ratios, for a job that waits for nothing
	ExtraHeld   Quantity = "B held more"     // more than by the limit
	TimesHeld   Quantity = "x limit held"
)

// Options bounds the effort.
type Options struct {
	Rounds int           // of all contenders, each round in another order
	Slice  time.Duration // of one contender in one round
}

// Least rounds and slices of what a few short ones say little about.
const (
	leastRounds = 25
	leastSlice  = 100 * time.Millisecond // of a job that another process does: its scheduler and the network add to it, more or less from moment to moment
)

// orLeast returns o with what c needs at the least: more rounds where another process does the job, or where a bar allows a few percent of a
// limit's time.
func (o Options) orLeast(c Case) Options {
	elsewhere := slices.ContainsFunc(c.Contenders, func(one Contender) bool { return one.CPU != nil })
	if elsewhere {
		o.Slice = max(o.Slice, leastSlice)
	}
	if elsewhere || slices.ContainsFunc(c.Bars, func(bar Bar) bool { return bar.Quantity == TimesCPU }) {
		o.Rounds = max(o.Rounds, leastRounds)
	}
	return o
}

// A Result is what one contender needed for a job.
type Result struct {
	Name   string  `json:"name"`
	Kind   Kind    `json:"kind"`
	Median float64 `json:"ns"`     // of all rounds
	Low    float64 `json:"ns_low"` // of the fastest round
	High   float64 `json:"ns_high"`
	CPU    float64 `json:"cpu_ns"`         // median of all rounds
	Held   float64 `json:"held,omitempty"` // bytes that each thing made holds on to
	Allocs float64 `json:"allocs"`
	Bytes  float64 `json:"bytes"`
	Rate   float64 `json:"per_second,omitempty"` // median of jobs done in a second, of a job that another process does

	times, cpu []float64 // of each round
}

// Run measures every contender of c.
func Run(c Case, o Options) []Result {
	o = o.orLeast(c)
	if c.Prepare != nil {
		c.Prepare()
	}
	type sums struct{ times, cpu, allocs, bytes, rates []float64 }
	measured := make([]sums, len(c.Contenders))
	counts := make([]int, len(c.Contenders))
	held := make([]float64, len(c.Contenders))
	var order []int
	for i, contender := range c.Contenders {
		if contender.Hold != nil {
			held[i] = contender.Hold()
			continue
		}
		order = append(order, i)
		if contender.Waits == nil {
			counts[i] = max(calibrate(contender.Do, o.Slice), c.AtLeast)
		}
	}
	for range o.Rounds {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] }) //nolint:gosec // an order, not a secret
		for _, i := range order {
			r := once(c.Contenders[i], counts[i], o.Slice)
			m := &measured[i]
			m.times, m.cpu = append(m.times, r.Median), append(m.cpu, r.CPU)
			m.allocs, m.bytes, m.rates = append(m.allocs, r.Allocs), append(m.bytes, r.Bytes), append(m.rates, r.Rate)
		}
	}
	results := make([]Result, len(c.Contenders))
	for i, contender := range c.Contenders {
		m := measured[i]
		if contender.Hold != nil {
			results[i] = Result{Name: contender.Name, Kind: contender.Kind, Held: held[i]}
			continue
		}
		results[i] = Result{
			Name: contender.Name, Kind: contender.Kind,
			Median: median(m.times), Low: slices.Min(m.times), High: slices.Max(m.times), CPU: median(m.cpu),
			Allocs: median(m.allocs), Bytes: median(m.bytes), Rate: median(m.rates), times: m.times, cpu: m.cpu,
		}
	}
	return results
}

// calibrate finds how often do fits into slice.
func calibrate(do func(int), slice time.Duration) int {
	took := func(n int) time.Duration {
		start := time.Now()
		do(n)
		return time.Since(start)
	}
	for n := 1; ; n *= 2 {
		t := took(n)
		if t >= slice/4 {
			t = min(t, took(n)) // the first may have opened connections, or have waited for something else
		}
		if t >= slice/4 || n >= 1<<30 {
			return max(1, int(float64(n)*float64(slice)/float64(max(t, 1))))
		}
	}
}

// waitSlices is how many slices a contender that waits is given in one round: it has its own pace.
const waitSlices = 10

// do does the job n times, or as often as it is done in a while, and returns how often that was and what all took.
func (c Contender) do(n int, slice time.Duration) (jobs int, took time.Duration) {
	if c.Waits != nil {
		waits := c.Waits(waitSlices * slice)
		slices.Sort(waits)
		return len(waits), waits[len(waits)/2] * time.Duration(len(waits))
	}
	start := time.Now()
	c.Do(n)
	return n, time.Since(start)
}

// once lets a contender do the job n times, and returns what one of them took.
func once(c Contender, n int, slice time.Duration) Result {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	elsewhere := c.CPU != nil
	cpu := ProcessCPU
	if elsewhere {
		cpu = c.CPU
	}
	used := cpu()
	n, took := c.do(n, slice)
	of := float64(n)
	spent := float64((cpu() - used).Nanoseconds()) / of
	if elsewhere {
		return Result{Median: spent, CPU: spent, Rate: of / took.Seconds()}
	}
	runtime.ReadMemStats(&after)
	return Result{
		Median: float64(took.Nanoseconds()) / of, CPU: spent,
		Allocs: float64(after.Mallocs-before.Mallocs) / of, Bytes: float64(after.TotalAlloc-before.TotalAlloc) / of,
	}
}

// ProcessCPU returns the processor time that this process has used so far.
func ProcessCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(v []float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}
