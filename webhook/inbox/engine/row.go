package engine

import (
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// A Row is a delivery as an engine reads it from its ledger.
type Row struct {
	*inbox.Delivery
	Tries int       // how often it was begun since the last replay
	Since time.Time // of claimed ones: when it was accepted or due, whichever is later, by this process's clock
}

// Lane returns the delivery's lane.
func (r Row) Lane() Lane { return Lane{r.Event.Provider, r.Event.Type} }

// copied keeps a handler's changes of its Delivery from the engine.
func (r Row) copied() *inbox.Delivery {
	c := *r.Delivery
	return &c
}
