package measure

// WithTimes returns r with the times of its rounds.
func (r Result) WithTimes(times ...float64) Result {
	r.times, r.Median = times, median(times)
	return r
}
