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

// Results. ResultRefused and ResultFailed come with a reason.
const (
	ResultRefused   Result = iota // not a valid delivery of this provider: Config.OnEvent did not see it
	ResultAccepted                // handled now
	ResultDuplicate               // handled before, or at the same time by another request
	ResultHandshake               // a challenge, a ping or a subscription, answered by the scheme
	ResultFailed                  // a valid delivery that could not be handled: the provider will send it again
)

// String returns the word in lower case, fit for a metric's label.
func (r Result) String() string {
	switch r {
	case ResultRefused:
		return "refused"
	case ResultAccepted:
		return "accepted"
	case ResultDuplicate:
		return "duplicate"
	case ResultHandshake:
		return "handshake"
	case ResultFailed:
		return "failed"
	}
	return "unknown"
}
