package webhook

import "time"

// Outcome is what became of one request, for metrics. It has no payload and no secret in it.
type Outcome struct {
	Provider string
	Result   Result
	Reason   error         // why it was refused or failed; nil otherwise
	Status   int           // of the answer; where OnError answers, the status it was asked for
	Type     string        // of the verified event. Where the provider does not sign it a forger can choose it: bound the metrics it makes
	Proof    Proof         // which secret matched; meaningless unless the delivery was verified
	Bytes    int64         // of the body, when it could be read
	Duration time.Duration // from the request's arrival to the end of the answer
}

// Result says in one word what became of a request.
type Result uint8

// Results. Refused and Failed come with a reason.
const (
	Refused   Result = iota // not a valid delivery of this provider: Config.OnEvent did not see it
	Accepted                // handled now
	Duplicate               // handled before, or at the same time by another request
	Handshake               // a challenge, a ping or a subscription, answered by the scheme
	Failed                  // a valid delivery that could not be handled: the provider will send it again
)

// String returns the word in lower case, fit for a metric's label.
func (r Result) String() string {
	switch r {
	case Refused:
		return "refused"
	case Accepted:
		return "accepted"
	case Duplicate:
		return "duplicate"
	case Handshake:
		return "handshake"
	case Failed:
		return "failed"
	}
	return "unknown"
}
