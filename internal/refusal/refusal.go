// Package refusal makes the sentinel errors with which gatehouse refuses a request, each carrying the HTTP status it is answered with.
package refusal

import (
	"errors"
	"net/http"
)

// An Error is one reason to refuse a request. It is made once, by [New], and compared by identity with [errors.Is].
type Error struct {
	text   string
	status int
}

// New returns a sentinel that reads as text and is answered with status. It is an error, so that what users see has a type that they can name.
func New(status int, text string) error { return &Error{text: text, status: status} }

// Error returns the reason, for logs. It is never sent to a client.
func (e *Error) Error() string { return e.text }

// StatusCode returns the status of the answer.
func (e *Error) StatusCode() int { return e.status }

// Status returns the status that err asks for: that of the first error in its tree which has a StatusCode method
// returning a client or server error (400 to 599), else 500. A nil err has status 200.
//
// The method is found by shape, so an application's own errors take part without importing gatehouse.
func Status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	type withStatus interface {
		error
		StatusCode() int
	}
	if coded, ok := errors.AsType[withStatus](err); ok {
		if code := coded.StatusCode(); code >= 400 && code <= 599 {
			return code
		}
	}
	return http.StatusInternalServerError
}
