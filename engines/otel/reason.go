package otel

import (
	"context"
	"errors"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// reasons are the values of error.type, the more telling first: an error of a handler may wrap another reason.
var reasons = []struct {
	err  error
	name string
}{
	{webhook.ErrPanic, "panic"},
	{webhook.ErrHandler, "handler"},
	{webhook.ErrDeadline, "deadline"},
	{webhook.ErrBusy, "busy"},
	{inbox.ErrQueueFull, "queue_full"},
	{webhook.ErrUnavailable, "unavailable"},
	{webhook.ErrNoSignature, "signature_missing"},
	{webhook.ErrSignatureFormat, "signature_format"},
	{webhook.ErrSignature, "signature_mismatch"},
	{webhook.ErrTimestamp, "timestamp"},
	{webhook.ErrTooOld, "too_old"},
	{webhook.ErrTooNew, "too_new"},
	{webhook.ErrForbidden, "forbidden"},
	{webhook.ErrHandshake, "handshake"},
	{webhook.ErrPayload, "payload"},
	{webhook.ErrIncomplete, "incomplete"},
	{webhook.ErrMethod, "method"},
	{webhook.ErrTimeout, "timeout"},
	{webhook.ErrTooLarge, "too_large"},
	{webhook.ErrMediaType, "media_type"},
	{webhook.ErrContentEncoding, "content_encoding"},
	{context.DeadlineExceeded, "deadline"},
	{context.Canceled, "canceled"},
}

// reason names an error without its text, which may hold what nobody else is to read.
func reason(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.name
		}
	}
	return other
}
