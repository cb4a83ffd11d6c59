package measure

import "math"

// A Verdict is a Bar with what ours reached.
type Verdict struct {
	Bar     Bar     `json:"bar"`
	Ours    string  `json:"ours"` // the contender that is judged
	Reached float64 `json:"reached"`
	Met     bool    `json:"met"`
}

// Judge compares each contender of ours with each bar.
func Judge(bars []Bar, results []Result) []Verdict {
	var verdicts []Verdict
	for _, ours := range results {
		if ours.Kind != Ours {
			continue
		}
		for _, bar := range bars {
			reached := reach(bar.Quantity, ours, results)
			verdicts = append(verdicts, Verdict{Bar: bar, Ours: ours.Name, Reached: reached, Met: reached <= bar.AtMost})
		}
	}
	return verdicts
}

// reach returns ours in the unit of q. Allocations are rounded: the runtime allocates now and then for itself.
func reach(q Quantity, ours Result, all []Result) float64 {
	limit, peer := best(Limit, all), best(Peer, all)
	switch q {
	case TimesLimit:
		return ours.Median / limit.Median
	case TimesPeer:
		return ours.Median / peer.Median
	case Allocs:
		return math.Round(ours.Allocs)
	case ExtraAllocs:
		return math.Round(ours.Allocs - limit.Allocs)
	case ExtraBytes:
		return math.Round(ours.Bytes - peer.Bytes)
	case Nanoseconds:
		return ours.Median
	case ExtraTime:
		return perRound(ours.times, limit.times, ours.Median, limit.Median, minus)
	case RoundTimes:
		return perRound(ours.times, limit.times, ours.Median, limit.Median, over)
	case PeersRate:
		return peer.Rate / ours.Rate
	case CPU:
		return ours.CPU
	case TimesCPU:
		return perRound(ours.cpu, limit.cpu, ours.CPU, limit.CPU, over)
	case ExtraHeld:
		return ours.Held - limit.Held
	case TimesHeld:
		return ours.Held / limit.Held
	}
	return math.Inf(1) // a quantity that nobody defined is met by nobody
}

func minus(ours, limit float64) float64 { return ours - limit }
func over(ours, limit float64) float64  { return ours / limit }

// perRound returns the median of what each round's figures say, or what the medians say of results without rounds.
func perRound(ours, limit []float64, oursMedian, limitMedian float64, of func(ours, limit float64) float64) float64 {
	if len(ours) != len(limit) || len(ours) == 0 {
		return of(oursMedian, limitMedian)
	}
	each := make([]float64, len(ours))
	for i := range each {
		each[i] = of(ours[i], limit[i])
	}
	return median(each)
}

// best returns the fastest result of a kind; one that takes forever where there is none.
func best(kind Kind, all []Result) Result {
	found := Result{Median: math.Inf(1)}
	for _, r := range all {
		if r.Kind == kind && r.Median < found.Median {
			found = r
		}
	}
	return found
}
