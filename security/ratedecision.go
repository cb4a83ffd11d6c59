package security

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RateDecision is what a [RateLimit] says of one request.
type RateDecision struct {
	// Allowed is true when the request is within every policy, and its cost was taken.
	Allowed bool

	// RetryAfter is how long to wait until the request is within every policy, if nothing else is asked for with its keys.
	// Zero when Allowed; negative where it never will be, since its cost is above a Burst.
	RetryAfter time.Duration

	// Policies are the states after the decision, in the order of RateLimitConfig.Policies. Empty while the store is
	// out and nothing is known.
	Policies []RateState
}

// RateState is what is left to one key under one policy.
type RateState struct {
	Policy    string        // its name
	Allowed   bool          // whether this policy allows the request
	Remaining int           // whole units left
	Next      time.Duration // until there is one unit more; zero when Remaining is the whole Burst
}

// QuotaError is the refusal of a request over its quota. It is [ErrRateLimited] for [errors.Is].
type QuotaError struct {
	Decision RateDecision
}

// Error names the policies and the time to wait.
func (e *QuotaError) Error() string {
	text := ErrRateLimited.Error() + ": policy " + strings.Join(e.Violated(), ", ")
	if e.Decision.RetryAfter < 0 {
		return text + ", cost above burst"
	}
	return text + ", retry after " + e.Decision.RetryAfter.String()
}

// Unwrap returns [ErrRateLimited].
func (e *QuotaError) Unwrap() error { return ErrRateLimited }

// Violated returns the names of the policies that refused.
func (e *QuotaError) Violated() []string {
	var names []string
	for _, p := range e.Decision.Policies {
		if !p.Allowed {
			names = append(names, p.Policy)
		}
	}
	return names
}

// decision makes a verdict public.
func (l *RateLimit) decision(v *verdict) (RateDecision, error) {
	d := RateDecision{Allowed: v.allowed, RetryAfter: v.wait}
	if v.never {
		d.RetryAfter = -1
	}
	for i := range v.policies {
		c := &v.cells[i]
		d.Policies = append(d.Policies, RateState{Policy: l.policies[i].name, Allowed: c.allowed, Remaining: int(c.remaining), Next: c.next})
	}
	switch {
	case v.failed != nil:
		return d, v.failed
	case !v.allowed:
		return d, &QuotaError{Decision: d}
	}
	return d, nil
}

// setFields sets the fields of draft-ietf-httpapi-ratelimit-headers-11: RateLimit-Policy says what each policy grants,
// RateLimit what is left (r) and for how long no more than that (t): the time until the next unit is there.
// A RateLimit further out in the chain may have set them too: both fields are lists, and this one adds its line.
func (l *RateLimit) setFields(h http.Header, v *verdict) {
	values := make([]string, 2) // both fields' one value, in one allocation
	values[0] = l.policy
	addField(h, "Ratelimit-Policy", values[0:1:1])
	if v.policies == 0 {
		return
	}
	var space [128]byte
	b := space[:0]
	for i := range v.policies {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, l.policies[i].field...)
		b = strconv.AppendInt(b, v.cells[i].remaining, 10)
		b = append(b, ";t="...)
		b = strconv.AppendInt(b, seconds(v.cells[i].next), 10)
	}
	values[1] = string(b)
	addField(h, "Ratelimit", values[1:2:2])
}

// addField adds a line to a field. The name is canonical, and value is not used elsewhere.
func addField(h http.Header, name string, value []string) {
	if before := h[name]; len(before) > 0 {
		value = append(slices.Clip(before), value...)
	}
	h[name] = value
}

// policyMember is this policy's member of RateLimit-Policy: q units in each window of w seconds. A bucket that
// refills within a second is said as what it yields in one, since a window has whole seconds.
func (p *ratePolicy) policyMember() string {
	units, window := p.burst, p.burst*p.interval
	if window < int64(time.Second) {
		units, window = max(units, int64(time.Second)/p.interval), int64(time.Second)
	}
	return `"` + p.name + `";q=` + strconv.FormatInt(units, 10) + ";w=" + strconv.FormatInt(seconds(time.Duration(window)), 10)
}

// seconds rounds d up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// isPlainString reports whether s can stand in a structured field's String (RFC 9651, section 3.3.3) without escapes.
func isPlainString(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
