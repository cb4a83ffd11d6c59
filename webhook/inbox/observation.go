package inbox

import "time"

// Observation is one thing that happened to a delivery.
type Observation struct {
	Kind     ObservationKind
	Provider string
	Type     string
	ID       int64         // zero for Duplicate and Refused
	Attempt  int           // of Started, Succeeded and the like
	Lag      time.Duration // of Started: since the delivery was accepted or due, whichever is later
	Duration time.Duration // of an attempt, or of an Accept
	Err      error         // of a failure
}

// ObservationKind is what happened.
type ObservationKind string

// Kinds of Observation.
const (
	ObserveAccepted  ObservationKind = "accepted"
	ObserveDuplicate ObservationKind = "duplicate"
	ObserveRefused   ObservationKind = "refused" // Accept returned an error
	ObserveStarted   ObservationKind = "started"
	ObserveDone      ObservationKind = "done"
	ObserveFailed    ObservationKind = "failed" // and will be tried again
	ObserveDead      ObservationKind = "dead"
)
