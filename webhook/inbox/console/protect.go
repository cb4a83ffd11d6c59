package console

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// policy allows the console's own style, script, icon, stream and forms, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// protect sets the header that every answer has.
func protect(h http.Header) {
	h["Cache-Control"] = []string{"no-store"}
	h["Content-Security-Policy"] = []string{policy}
	h["Cross-Origin-Opener-Policy"] = []string{"same-origin"}
	h["Cross-Origin-Resource-Policy"] = []string{"same-origin"}
	h["Referrer-Policy"] = []string{"no-referrer"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["X-Frame-Options"] = []string{"DENY"}
	h["X-Robots-Tag"] = []string{"noindex"}
}

// allowOrigin lets the forms of a page send their origin, which under no-referrer they do not: browsers send "Origin: null" then. Where
// Sec-Fetch-Site is missing too, as on plain HTTP, nothing would tell a form of ours from another site's. Other origins see no referrer all
// the same.
func allowOrigin(h http.Header) { h["Referrer-Policy"] = []string{"same-origin"} }

// Reasons for which the console refuses a request.
var (
	errNobody      = refusal.New(http.StatusForbidden, "console: Access returned no user name")
	errNoPage      = refusal.New(http.StatusNotFound, "console: no such page")
	errMethod      = refusal.New(http.StatusMethodNotAllowed, "console: no such method here")
	errCrossOrigin = refusal.New(http.StatusForbidden, "console: the request comes from another origin")
	errForm        = refusal.New(http.StatusUnsupportedMediaType, "console: the request is not a form")
	errFormSize    = refusal.New(http.StatusRequestEntityTooLarge, "console: the form is too large")
	errBusy        = refusal.New(http.StatusServiceUnavailable, "console: as many pages are kept up to date as may be")
)

// mistake is something in a request that its user can mend. The text is shown.
type mistake struct{ text string }

func (m *mistake) Error() string   { return "console: " + m.text }
func (m *mistake) StatusCode() int { return http.StatusBadRequest }

// partly is a decision about many that failed on the way.
type partly struct {
	what    string
	changed int64
	cause   error
}

func (p *partly) Error() string   { return "console: only some were " + p.what + ": " + p.cause.Error() }
func (p *partly) Unwrap() error   { return p.cause }
func (p *partly) StatusCode() int { return http.StatusServiceUnavailable }

// withStatus returns err, answered with fallback where it has no status of its own.
func withStatus(err error, fallback int) error {
	type coded interface {
		error
		StatusCode() int
	}
	if _, ok := errors.AsType[coded](err); ok {
		return err
	}
	return fmt.Errorf("%w: %w", refusal.New(fallback, "console"), err)
}
