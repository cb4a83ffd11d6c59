package measure

import "time"

// WithTimes returns r with the times of its rounds.
func (r Result) WithTimes(times ...float64) Result {
	r.times, r.Median = times, median(times)
	return r
}

// Calibrate is calibrate.
func Calibrate(do func(int), slice time.Duration) int { return calibrate(do, slice) }
