package security

import (
	"net/http"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Reasons for which [Decode] refuses a body.
var (
	ErrSyntax  = refusal.New(http.StatusBadRequest, "request body is not well-formed")
	ErrContent = refusal.New(http.StatusUnprocessableEntity, "request body does not fit what is expected")
	ErrNoBody  = refusal.New(http.StatusBadRequest, "request has no body")
)

// A Fault is one thing that is wrong with a decoded body. It is sent to the client, so it holds no part of the body but names.
type Fault struct {
	// Pointer is the place as a JSON Pointer (RFC 6901), such as "/items/0/price"; "" is the whole body. For a form it is
	// "/" and the field's name.
	Pointer string

	// Detail says what the value must be, such as "must be a whole number".
	Detail string
}

// DecodeError lists what is wrong with a body. It is [ErrSyntax], answered 400, where the body cannot be read, and [ErrContent],
// answered 422, where it can and its values do not fit.
type DecodeError struct {
	Faults []Fault // at least one; at most 16

	reason error
	cause  error // for the log; nil where the faults say it all
}

// Error returns the reason and each fault, for logs.
func (e *DecodeError) Error() string {
	var b strings.Builder
	b.WriteString(e.reason.Error())
	for i, f := range e.Faults {
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		b.WriteString(f.Pointer)
		b.WriteByte(' ')
		b.WriteString(f.Detail)
	}
	return b.String()
}

// Unwrap returns the reason and the cause.
func (e *DecodeError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.reason}
	}
	return []error{e.reason, e.cause}
}

// StatusCode returns 400 or 422.
func (e *DecodeError) StatusCode() int { return refusal.Status(e.reason) }

// WriteError answers with the status that err asks for. For a [DecodeError] the application/problem+json answer has a member
// "errors" that lists the faults, each with "detail" and "pointer", a URI fragment (RFC 9457, section 3, and RFC 6901,
// section 6). It sends no other text of err.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	faulty, ok := asDecodeError(err)
	if !ok {
		problem.Error(w, r, err)
		return
	}
	type member struct {
		Detail  string `json:"detail"`
		Pointer string `json:"pointer"`
	}
	list := make([]member, len(faulty.Faults))
	for i, f := range faulty.Faults {
		list[i] = member{Detail: f.Detail, Pointer: "#" + fragment(f.Pointer)}
	}
	problem.Write(w, r, problem.Details{Status: faulty.StatusCode(), Members: map[string]any{"errors": list}})
}

// fragment percent-encodes a JSON Pointer for use as a URI fragment (RFC 3986, section 3.5).
func fragment(pointer string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(pointer) {
		c := pointer[i]
		if isWordByte(c) || strings.IndexByte("-._~!$&'()*+,;=:@/?", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
