package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/clientip"
	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

// maxReply is the largest Reply.Body in bytes: challenges are short, and what we echo is somebody else's text.
const maxReply = 8 << 10

// unauthorized is the challenge that goes with each 401, which must have one (RFC 9110, section 15.5.2). No standard names a scheme for webhooks, and the
// client need not learn which secret, header field or provider it is about.
const unauthorized = "Webhook"

// ServeHTTP verifies r, hands its event to Config.OnEvent unless it is a repeat, and answers as the provider expects.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	s := h.ready.Load()
	r = addressed(r)
	o := Outcome{Provider: h.provider}
	reply, err := h.receive(s, w, r, start, &o)
	if err == nil {
		o.Status = reply.status()
		reply.write(w)
	} else {
		h.refuse(s, w, r, err, &o)
	}
	if h.config.Observe != nil {
		o.Duration = time.Since(start)
		h.config.Observe(o)
	}
}

// receive decides about r. It writes nothing; o gets what is known on the way.
func (h *Handler) receive(s *ready, w http.ResponseWriter, r *http.Request, start time.Time, o *Outcome) (reply *Reply, err error) {
	defer func() {
		if v := recover(); v != nil { // a fault in a scheme must not be a way to close connections unseen
			reply, err = nil, newPanicError(v)
		}
	}()
	o.Result = ResultRefused
	if !s.allows(r.Method) {
		return nil, ErrMethod
	}
	if err := s.checkCoding(r); err != nil {
		return nil, err
	}
	body, err := h.read(w, r)
	if err != nil {
		return nil, err
	}
	o.Bytes = int64(len(body))

	if s.handshaker != nil {
		if reply, err := s.handshaker.Handshake(r, body); reply != nil || err != nil {
			return handshaken(reply, err, o)
		}
	}
	if !slices.Contains(s.methods, r.Method) {
		return nil, ErrHandshake
	}
	if err := s.checkMediaType(r); err != nil {
		return nil, err
	}
	e, err := h.verify(s, r, body)
	if err != nil {
		return nil, err
	}
	o.Type, o.Proof = e.Type, e.Proof
	if s.confirmer != nil {
		ctx, cancel := context.WithDeadline(r.Context(), start.Add(h.config.HandlerTimeout))
		defer cancel()
		if reply, err := s.confirmer.Confirm(r.WithContext(ctx), &e); reply != nil || err != nil {
			return handshaken(reply, err, o)
		}
	}
	o.Result = ResultFailed
	repeat, err := h.dispatch(r.Context(), start.Add(h.config.HandlerTimeout), e)
	if err != nil {
		return nil, err
	}
	o.Result = ResultAccepted
	if repeat {
		o.Result = ResultDuplicate
	}
	return &s.contract.Accepted, nil
}

func handshaken(reply *Reply, err error, o *Outcome) (*Reply, error) {
	if err != nil {
		return nil, err
	}
	if err := reply.check(); err != nil {
		return nil, err
	}
	o.Result = ResultHandshake
	return reply, nil
}

// refuse answers and logs a request that was refused or failed.
func (h *Handler) refuse(s *ready, w http.ResponseWriter, r *http.Request, err error, o *Outcome) {
	o.Status, o.Reason = refusal.Status(err), err
	if o.Status >= http.StatusInternalServerError {
		o.Result = ResultFailed // what we could not decide is not the sender's fault
	}
	ignored := s.contract.IgnoreForged && o.Result == ResultRefused && o.Status == http.StatusUnauthorized
	switch o.Status {
	case http.StatusMethodNotAllowed:
		w.Header()["Allow"] = []string{s.allow}
	case http.StatusUnauthorized:
		if !ignored {
			w.Header()["Www-Authenticate"] = []string{unauthorized}
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		seconds := int64((retryAfter(err, defaultRetryAfter) + time.Second - 1) / time.Second)
		w.Header()["Retry-After"] = []string{strconv.FormatInt(seconds, 10)}
	}
	h.log(r, o)
	switch {
	case ignored:
		o.Status = s.contract.Accepted.status()
		s.contract.Accepted.write(w)
	case h.config.OnError != nil:
		h.config.OnError(w, r, err)
	default:
		problem.Error(w, r, err)
	}
}

// log writes the one line of a request that was not accepted, if it is let in.
func (h *Handler) log(r *http.Request, o *Outcome) {
	left, ok := h.lines.Take(o.Status)
	if !ok {
		return
	}
	level := slog.LevelWarn
	if o.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("provider", o.Provider), slog.String("result", o.Result.String()), slog.String("reason", o.Reason.Error()),
		slog.Int("status", o.Status), slog.Int64("bytes", o.Bytes), slog.String("client", clientip.From(r).String()),
	}
	if id := requestid.From(r.Context()); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	if p, ok := errors.AsType[*panicError](o.Reason); ok {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	if left > 0 {
		attrs = append(attrs, slog.Int64("unlogged", left))
	}
	h.logger.LogAttrs(r.Context(), level, "webhook not accepted", attrs...)
}

// status returns the status of p.
func (p *Reply) status() int {
	if p.Status == 0 {
		return http.StatusOK
	}
	return p.Status
}

// check refuses a reply that does not keep to the bounds of its type.
func (p *Reply) check() error {
	if status := p.status(); status < 200 || status > 299 || len(p.Body) > maxReply {
		return fmt.Errorf("%w: an answer of status %d with %d bytes is out of bounds", ErrHandshake, status, len(p.Body))
	}
	return nil
}

// write sends p so that no browser takes what is in it for a document of this site, and no cache keeps it.
func (p *Reply) write(w http.ResponseWriter) {
	header := w.Header()
	for name, values := range p.Header {
		header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	status := p.status()
	header["Cache-Control"] = []string{"no-store"}
	header["X-Content-Type-Options"] = []string{"nosniff"}
	delete(header, "Content-Type")
	delete(header, "Content-Length")
	if len(p.Body) > 0 {
		header["Content-Type"] = []string{"text/plain; charset=utf-8"}
		if p.JSON {
			header["Content-Type"] = []string{"application/json"}
		}
	}
	if status != http.StatusNoContent {
		header["Content-Length"] = []string{strconv.Itoa(len(p.Body))}
	}
	w.WriteHeader(status)
	if len(p.Body) > 0 && status != http.StatusNoContent {
		_, _ = w.Write(p.Body) //nolint:gosec // never HTML: text/plain or JSON, nosniff. If it fails the provider is gone, and will ask again
	}
}

// panicError is a panic as an error, with the stack for the log.
type panicError struct {
	value any
	stack []byte
}

func newPanicError(v any) *panicError { return &panicError{v, debug.Stack()} }

func (e *panicError) Error() string { return fmt.Sprintf("%v: %v", ErrPanic, e.value) }
func (e *panicError) Unwrap() error { return ErrPanic }
