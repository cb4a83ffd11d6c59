package pathexp

// plan is the quick way to match a pattern.
type plan struct{}

func newPlan([]Token, Options) *plan { return nil }

func (p *plan) match(path string, spans []int32) (matched, decided bool) { return false, false }
