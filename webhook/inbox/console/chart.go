package console

import (
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// A span is a stretch of time up to now, in bars of equal length.
type span struct {
	name, label string
	bars        int
	each        time.Duration
}

var spans = []span{
	{"hour", "last hour", 60, time.Minute},
	{"day", "last 24 hours", 96, 15 * time.Minute},
	{"week", "last 7 days", 84, 2 * time.Hour},
}

// spanOf returns the span called name, the first where there is no name.
func spanOf(name string) (span, bool) {
	for _, s := range spans {
		if s.name == name || name == "" {
			return s, true
		}
	}
	return span{}, false
}

// begin is when the first bar of a span up to now begins.
func (s span) begin(now time.Time) time.Time {
	return now.Truncate(s.each).Add(-time.Duration(s.bars-1) * s.each)
}

// A chart is one series of bars.
type chart struct {
	Name    string
	Total   string
	Peak    string // of the highest bar, as a rate
	Summary string // of all of it, for those who do not see it
	Class   string
	Bars    []bar
	Width   int
	From    string
	To      string
}

// A bar is a rectangle in a chart that is 100 high.
type bar struct {
	X, Y, Height int
	Title        string
}

const (
	barStep   = 10
	barWidth  = 8
	barHeight = 100
)

// charts draws what happened in a span: one chart for what came, one for what was handled, one for what failed.
func charts(minutes []inbox.Minute, s span, now time.Time) []chart {
	begin := s.begin(now)
	series := []struct {
		name, class string
		of          func(inbox.Minute) int64
	}{
		{"Accepted", "accepted", func(m inbox.Minute) int64 { return m.Accepted }},
		{"Handled", "done", func(m inbox.Minute) int64 { return m.Done }},
		{"Failed attempts", "failed", func(m inbox.Minute) int64 { return m.Failed }},
	}
	var all []chart
	for _, line := range series {
		values := make([]int64, s.bars)
		for _, m := range minutes {
			if i := int(m.Start.Sub(begin) / s.each); i >= 0 && i < s.bars && !m.Start.Before(begin) {
				values[i] += line.of(m)
			}
		}
		all = append(all, draw(line.name, line.class, values, s, begin))
	}
	return all
}

func draw(name, class string, values []int64, s span, begin time.Time) chart {
	c := chart{Name: name, Class: class, Width: len(values) * barStep, From: begin.UTC().Format("2 Jan 15:04"), To: "now"}
	var total, most int64
	for _, n := range values {
		total += n
		most = max(most, n)
	}
	for i, n := range values {
		if n == 0 {
			continue
		}
		height := max(int(n*barHeight/most), 2) // a little is not nothing
		start := begin.Add(time.Duration(i) * s.each)
		c.Bars = append(c.Bars, bar{X: i * barStep, Y: barHeight - height, Height: height, Title: start.UTC().Format("2 Jan 15:04") + ": " + count(n)})
	}
	c.Total = count(total)
	c.Peak = rate(most, s.each)
	c.Summary = fmt.Sprintf("%s in the %s: %s, at most %s", name, s.label, c.Total, c.Peak)
	return c
}

// rate writes n in d as a number a second or a minute.
func rate(n int64, d time.Duration) string {
	if perSecond := float64(n) / d.Seconds(); perSecond >= 1 {
		return fmt.Sprintf("%.1f/s", perSecond)
	}
	perMinute := float64(n) / d.Minutes()
	if perMinute == float64(int64(perMinute)) {
		return fmt.Sprintf("%.0f/min", perMinute)
	}
	return fmt.Sprintf("%.1f/min", perMinute)
}
