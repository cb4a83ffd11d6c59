package webhook

import (
	"errors"
	"fmt"
	"mime"
	"net/url"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode reads e's body as one JSON text (RFC 8259) into a T. It is strict where two readers could see two documents: a
// member name that occurs twice, invalid UTF-8, and anything after the value are refused, and a member fills a field
// only when its name is the field's in every letter's case. Unknown members are ignored: providers add some at any time.
//
// The error wraps [ErrPayload], which OnEvent can return as it is: the answer is 400. Its text has nothing of the payload in it.
func Decode[T any](e Event) (T, error) {
	var v T
	if err := json.Unmarshal(e.Body, &v); err != nil {
		var none T // not what was read before the mistake
		return none, &payloadError{err}
	}
	return v, nil
}

// Form reads e's body as application/x-www-form-urlencoded, as Slack's commands and Twilio send it. A form with a malformed pair is
// refused whole. The error wraps [ErrPayload].
func Form(e Event) (url.Values, error) {
	mediaType, _, err := mime.ParseMediaType(e.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return nil, fmt.Errorf("%w: not a form by its Content-Type", ErrPayload)
	}
	form, err := url.ParseQuery(string(e.Body))
	if err != nil {
		return nil, fmt.Errorf("%w: not a form", ErrPayload) // the cause would quote the payload
	}
	return form, nil
}

// payloadError says where decoding failed. The cause's own text can quote the payload, so only [errors.As] reaches it.
type payloadError struct{ cause error }

func (e *payloadError) Error() string {
	text := ErrPayload.Error()
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](e.cause); ok {
		text += fmt.Sprintf(": not strict JSON at byte %d", syntactic.ByteOffset)
	} else if semantic, ok := errors.AsType[*json.SemanticError](e.cause); ok {
		text += fmt.Sprintf(": JSON %v at byte %d does not fit Go type %v", semantic.JSONKind, semantic.ByteOffset, semantic.GoType)
	}
	return text
}

func (e *payloadError) Unwrap() []error { return []error{ErrPayload, e.cause} }
