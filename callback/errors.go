package callback

import (
	"net/http"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Reasons for which [ReturnTo] refuses a target. All have status 400.
var (
	ErrTargetMissing   error = refusal.New(http.StatusBadRequest, "callback: return target is missing")
	ErrTargetTooLong   error = refusal.New(http.StatusBadRequest, "callback: return target is longer than 2048 bytes")
	ErrTargetCharacter error = refusal.New(http.StatusBadRequest, "callback: return target has a control, space, backslash or invalid UTF-8")
	ErrTargetScheme    error = refusal.New(http.StatusBadRequest, "callback: return target has a scheme other than http:// or https://")
	ErrTargetOrigin    error = refusal.New(http.StatusBadRequest, "callback: return target is on an origin that is not allowed")
	ErrTargetPath      error = refusal.New(http.StatusBadRequest, "callback: return target is not a path from the root")
)
