package proxy

import (
	"net/url"
	"time"
)

// TargetSet lets tests move the clock of an upstream's targets.
type TargetSet struct{ set targetSet }

// NewTargetSet returns a set of n targets, named "0", "1" and so on.
func NewTargetSet(n, maxFails int, cooldown time.Duration) *TargetSet {
	s := &TargetSet{}
	for i := range n {
		s.set.targets = append(s.set.targets, &target{url: &url.URL{Host: string(rune('0' + i))}, maxFails: int32(maxFails), cooldown: cooldown})
	}
	return s
}

// Pick returns the name of the target for a request at now, with the ways to end it, or "" and the wait.
func (s *TargetSet) Pick(now time.Time, tried ...string) (name string, wait time.Duration, end func(ok bool, at time.Time)) {
	var not []*target
	for _, name := range tried {
		not = append(not, s.set.targets[name[0]-'0'])
	}
	t, wait := s.set.pick(now.UnixNano(), not)
	if t == nil {
		return "", wait, nil
	}
	return t.url.Host, wait, func(ok bool, at time.Time) {
		t.release()
		if ok {
			t.succeeded()
		} else {
			t.failed(at.UnixNano())
		}
	}
}
