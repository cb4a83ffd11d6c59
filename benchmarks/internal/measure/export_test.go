package measure

import "time"

// WithTimes returns r with the times of its rounds.
func (r Result) WithTimes(times ...float64) Result {
	r.times, r.Median = times, median(times)
	return r
}

// WithCPU returns r with the processor times of its rounds.
func (r Result) WithCPU(times ...float64) Result {
	r.cpu, r.CPU = times, median(times)
	return r
}

// OrLeast is orLeast.
func (o Options) OrLeast(c Case) Options { return o.orLeast(c) }

// Calibrate is calibrate.
func Calibrate(do func(int), slice time.Duration) int { return calibrate(do, slice) }
