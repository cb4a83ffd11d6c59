package security

import (
	"context"
	"log/slog"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// RedactorConfig says what a [Redactor] hides besides what it knows by itself. The zero value hides by names and forms alone.
type RedactorConfig struct {
	// Secrets are values hidden wherever they occur. Nil means none are known.
	Secrets *Secrets

	// Keys are further names whose values are hidden, such as "iban", also as words of longer ones: customerIban. Names are compared without
	// case and separators: "api_key" is APIKey. Nil adds none to the built-in names (password, secret, token, cookie, authorization and their like).
	Keys []string

	// MaxValue is how many bytes of one text are logged; the rest is cut. It bounds the cost of a record.
	// Zero means 16 KiB; at most 1 MiB.
	MaxValue int
}

// Redactor is a [slog.Handler] that takes secrets out of each record before another handler prints it.
//
// It looks at the message and at every attribute: by name (password, X-Api-Key, Set-Cookie, accessToken), by registered
// value in any encoding that [Secrets] knows, and by form (JSON Web Tokens, Bearer and Basic credentials, private keys in PEM, the
// userinfo of URLs, tokens with a provider's prefix). Inside a text it finds names in query strings, JSON, header lines
// and what %+v prints. Groups, [slog.LogValuer], errors, byte slices, maps, structs, [http.Header], cookies and requests
// are walked; what is printed then is a tree of plain values under their JSON names, never the value's own formatting, so nothing is
// printed that was not looked at. Unexported fields are not printed.
//
// What has no telling name, no known form and is not registered cannot be recognised: register such values.
//
// A Redactor is safe for concurrent use as far as the handler it wraps is.
type Redactor struct {
	next   slog.Handler
	scrub  *scrubber
	secret bool // inside a group whose name is a secret's: everything is hidden
}

// NewRedactor returns a handler that redacts records and hands them to next. It refuses a nil next, empty Keys and a MaxValue
// out of bounds.
//
// Let it be the handler of [slog.Default], so that every package that logs is covered:
//
//	slog.SetDefault(slog.New(redactor))
func NewRedactor(next slog.Handler, c RedactorConfig) (*Redactor, error) {
	bad := invalid.Config{Package: "security"}
	if next == nil {
		bad.Hidden("next", "must not be nil")
	}
	s := newScrubber(c, &bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return &Redactor{next: next, scrub: s}, nil
}

func newScrubber(c RedactorConfig, bad *invalid.Config) *scrubber {
	s := &scrubber{secrets: c.Secrets, limit: c.MaxValue}
	if s.limit == 0 {
		s.limit = 16 << 10
	}
	if s.limit < 0 || s.limit > 1<<20 {
		bad.Field("RedactorConfig.MaxValue", c.MaxValue, "must be 0 to 1048576")
	}
	for _, key := range c.Keys {
		squashed := squash(key)
		if squashed == "" {
			bad.Field("RedactorConfig.Keys", key, "must hold a letter or a digit")
			continue
		}
		if s.keys.more == nil {
			s.keys.more = make(map[string]bool, len(c.Keys))
		}
		s.keys.more[squashed] = true
	}
	return s
}

// Enabled reports whether the wrapped handler wants records of level.
func (h *Redactor) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle redacts a copy of r and hands it on. A record of texts, numbers and times without a secret is handed on as it is, without
// allocating.
func (h *Redactor) Handle(ctx context.Context, r slog.Record) error {
	message := h.scrub.text(r.Message)
	clean := message == r.Message
	if clean {
		r.Attrs(func(a slog.Attr) bool {
			clean = h.untouched(a)
			return clean
		})
	}
	if clean {
		return h.next.Handle(ctx, r)
	}
	out := slog.NewRecord(r.Time, r.Level, message, r.PC)
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, h.attr(a))
		return true
	})
	out.AddAttrs(attrs...)
	return h.next.Handle(ctx, out)
}

// WithAttrs redacts attrs now and hands them to the wrapped handler.
func (h *Redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return &Redactor{next: h.next.WithAttrs(clean), scrub: h.scrub, secret: h.secret}
}

// WithGroup opens a group. Where its name is a secret's, such as "credentials", everything in it is hidden.
func (h *Redactor) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &Redactor{next: h.next.WithGroup(h.scrub.text(name)), scrub: h.scrub, secret: h.secret || h.scrub.keys.secret(name)}
}

// attr returns a without its secrets.
func (h *Redactor) attr(a slog.Attr) slog.Attr {
	w := walk{scrub: h.scrub, nodes: maxNodes}
	return w.attr(a, h.secret, 0)
}

// untouched reports whether a surely holds no secret and prints as it is.
func (h *Redactor) untouched(a slog.Attr) bool {
	if h.secret {
		return false
	}
	switch a.Value.Kind() {
	case slog.KindString:
		text := a.Value.String()
		if text != "" && h.scrub.keys.secret(a.Key) {
			return false
		}
		return len(text) <= h.scrub.limit && h.scrub.clean(text) && h.scrub.clean(a.Key)
	case slog.KindBool, slog.KindDuration, slog.KindFloat64, slog.KindInt64, slog.KindTime, slog.KindUint64:
		return h.scrub.clean(a.Key) && (!h.scrub.keys.secret(a.Key) || h.scrub.keys.describes(a.Key))
	case slog.KindAny, slog.KindGroup, slog.KindLogValuer:
	}
	return false
}
