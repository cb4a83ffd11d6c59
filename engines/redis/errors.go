package redis

import (
	"net/http"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Reasons for which a call fails without being asked of the server, or without its answer. Each is answered 503.
var (
	// ErrOut is the reason of calls while the server does not answer. The error of the call that found out is its cause.
	ErrOut = refusal.New(http.StatusServiceUnavailable, "redis: server is out")

	// ErrBusy is the reason of a call beyond Config.MaxPending.
	ErrBusy = refusal.New(http.StatusServiceUnavailable, "redis: too many calls wait for the server")

	// ErrClosed is the reason of calls after [Engine.Close].
	ErrClosed = refusal.New(http.StatusServiceUnavailable, "redis: engine is closed")
)
