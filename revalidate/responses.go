package revalidate

import "github.com/gatehouse-go/gatehouse/internal/invalid"

// maxDelta is the greatest number of seconds that a directive says (RFC 9111, section 1.2.2).
const maxDelta = 1 << 31

// Responses says how [Cache.Wrap] works.
type Responses struct{}

type responses struct{}

func (r Responses) compile(_ *invalid.Config, _ int64) responses { return responses{} }
