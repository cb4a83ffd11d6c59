package security

import (
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// A Stage is one middleware of the chain that [Default] builds, by its name.
type Stage string

// The stages of [Default], in their order.
const (
	StageRecover        Stage = "recover"
	StageRequestID      Stage = "request-id"
	StageClientIP       Stage = "client-ip"
	StageAccessLog      Stage = "access-log"
	StageTarget         Stage = "target"
	StageHeaders        Stage = "headers"
	StageDeadlines      Stage = "deadlines"
	StageIPLimit        Stage = "ip-limit"
	StageCORS           Stage = "cors"
	StageMethods        Stage = "methods"
	StageCrossOrigin    Stage = "cross-origin"
	StageBody           Stage = "body"
	StageAccess         Stage = "access"
	StagePrincipalLimit Stage = "principal-limit"
)

// safeOrder is the order of the stages where a Config has none.
var safeOrder = [...]Stage{
	StageRecover, StageRequestID, StageClientIP, StageAccessLog, StageTarget, StageHeaders, StageDeadlines, StageIPLimit,
	StageCORS, StageMethods, StageCrossOrigin, StageBody, StageAccess, StagePrincipalLimit,
}

// An orderRule says that one stage must stand outside others, and what goes wrong if not.
type orderRule struct {
	outer Stage
	inner []Stage
	why   string
}

// orderRules are what makes an order safe; safeOrder keeps all of them. An order may differ where no rule speaks.
var orderRules = [...]orderRule{
	{StageRecover, safeOrder[1:], "a panic outside of it would not be answered"},
	{StageRequestID, safeOrder[3:], "its answers would have no id"},
	{StageClientIP, safeOrder[3:], "it would take the proxy for the client"},
	{StageAccessLog, safeOrder[4:], "its refusals would not be logged"},
	{StageTarget, safeOrder[7:], "it would judge a path or host that can be read in two ways"},
	{StageHeaders, safeOrder[7:], "its refusals would have no security fields"},
	{StageDeadlines, safeOrder[8:], "a slow client would hold it"},
	{StageIPLimit, safeOrder[8:], "it would work for clients before they are limited"},
	{StageCORS, []Stage{StageMethods, StageCrossOrigin, StageAccess, StagePrincipalLimit}, "it would refuse preflights, which have no credentials"},
	{StageMethods, []Stage{StageCrossOrigin, StageBody, StageAccess}, "it would judge methods that no handler has"},
	{StageCrossOrigin, []Stage{StageAccess, StagePrincipalLimit}, "it would take a foreign site's request for the user's"},
	{StageBody, []Stage{StageAccess, StagePrincipalLimit}, "it might read a body without bounds"},
	{StageAccess, []Stage{StagePrincipalLimit}, "it would know no principal"},
}

// checkOrder notes each rule that order breaks.
func checkOrder(order []Stage, bad *invalid.Config) {
	for i, s := range order {
		if !slices.Contains(safeOrder[:], s) {
			bad.Field("Config.Order", string(s), "must be one of the stages")
		}
		if slices.Contains(order[:i], s) {
			bad.Field("Config.Order", string(s), "must not occur twice")
		}
	}
	for _, rule := range orderRules {
		at := slices.Index(order, rule.outer)
		for _, inner := range rule.inner {
			if i := slices.Index(order, inner); i >= 0 && at >= 0 && i < at {
				bad.Field("Config.Order", string(inner), "must come after "+string(rule.outer)+": else "+rule.why)
			}
		}
	}
}

// A Step is one line of a [Plan].
type Step struct {
	Name string // of the stage, or of an Extra
	On   bool
	Why  string // what it does, or why it is off
}

// A Plan says what a chain does to a request, from the outside in.
type Plan []Step

// String prints one step a line.
func (p Plan) String() string {
	var b strings.Builder
	for _, s := range p {
		state := "off"
		if s.On {
			state = "on "
		}
		b.WriteString(s.Name)
		b.WriteString(strings.Repeat(" ", max(1, 17-len(s.Name))))
		b.WriteString(state)
		b.WriteString("  ")
		b.WriteString(s.Why)
		b.WriteByte('\n')
	}
	return b.String()
}
