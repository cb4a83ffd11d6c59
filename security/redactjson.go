package security

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Reasons for which a [RedactJSON] sends no body. Both are answered 500: what cannot be looked through is not sent.
var (
	ErrResponseJSON  = refusal.New(http.StatusInternalServerError, "response body is not well-formed JSON and cannot be redacted")
	ErrResponseLarge = refusal.New(http.StatusInternalServerError, "response body is too large to be redacted")
)

// RedactJSONConfig says what a [RedactJSON] takes out of JSON. Paths or Secrets is required.
type RedactJSONConfig struct {
	// Paths name the members and elements to redact, as JSON Pointers (RFC 6901) in which * stands for any one name or index
	// and ** for any number of them: "/user/password", "/items/*/card", "/**/token".
	Paths []string

	// Secrets are values that are redacted in every string and name. Nil means none are known.
	Secrets *Secrets

	// Remove takes members out whole, where otherwise their value becomes the string "[redacted]". Elements of arrays become null, so that
	// the others keep their index.
	Remove bool

	// MaxBytes bounds a response body, which Wrap holds in memory. Zero means 1 MiB.
	MaxBytes int64

	// OnError answers in place of a response that cannot be redacted. Nil means an application/problem+json answer.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the reason. Nil means slog.Default().
	Logger *slog.Logger
}

// RedactJSON takes members out of JSON by their path, and secrets by their value: what a handler has but this client must not
// see. It is safe for concurrent use.
type RedactJSON struct {
	paths   [][]string
	secrets *Secrets
	remove  bool
	max     int64
	refuser refuser
}

// maxPaths bounds the paths, each of which costs a comparison a member.
const maxPaths = 256

// NewRedactJSON returns a RedactJSON, or every mistake in c.
func NewRedactJSON(c RedactJSONConfig) (*RedactJSON, error) {
	bad := invalid.Config{Package: "security"}
	j := &RedactJSON{secrets: c.Secrets, remove: c.Remove, max: c.MaxBytes, refuser: newRefuser("redact-json", c.OnError, c.Logger)}
	if len(c.Paths) == 0 && c.Secrets == nil {
		bad.Hidden("RedactJSONConfig.Paths", "must name what to redact, or Secrets must be set")
	}
	if len(c.Paths) > maxPaths {
		bad.Field("RedactJSONConfig.Paths", strconv.Itoa(len(c.Paths))+" paths", "must be at most "+strconv.Itoa(maxPaths))
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for i, path := range c.Paths {
		segments := strings.Split(path, "/")
		if len(segments) < 2 || segments[0] != "" || segments[len(segments)-1] == "**" {
			bad.Field("RedactJSONConfig.Paths["+strconv.Itoa(i)+"]", path, "must begin with a slash, and not end in **")
			continue
		}
		for k := range segments {
			segments[k] = unescape.Replace(segments[k])
		}
		j.paths = append(j.paths, segments[1:])
	}
	if c.MaxBytes < 0 {
		bad.Field("RedactJSONConfig.MaxBytes", c.MaxBytes, "must not be negative")
	}
	if c.MaxBytes == 0 {
		j.max = 1 << 20
	}
	return j, bad.Err()
}

// Redact returns body without what is to be redacted, in compact form. The error is, or wraps, [ErrResponseJSON].
func (j *RedactJSON) Redact(body []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(body))
	options := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	w := jsonWalk{
		rules: j,
		in:    jsontext.NewDecoder(bytes.NewReader(body), options...),
		out:   jsontext.NewEncoder(&out, options...),
	}
	start := make([]position, len(j.paths))
	for i := range start {
		start[i].path = i
	}
	w.value(start)
	if w.err == nil {
		if _, end := w.in.ReadToken(); !errors.Is(end, io.EOF) {
			w.err = errors.New("data follows the value")
		}
	}
	if w.err != nil {
		return nil, &codedError{reason: ErrResponseJSON, cause: w.err}
	}
	return out.Bytes(), nil
}

// A position is how much of a path the members above have matched.
type position struct{ path, segment int }

// jsonWalk copies one JSON value and leaves out what the rules say. The first error ends it.
type jsonWalk struct {
	rules *RedactJSON
	in    *jsontext.Decoder
	out   *jsontext.Encoder
	err   error
}

func (w *jsonWalk) read() (token jsontext.Token) {
	if w.err == nil {
		token, w.err = w.in.ReadToken()
	}
	return token
}

func (w *jsonWalk) write(token jsontext.Token) {
	if w.err == nil {
		w.err = w.out.WriteToken(token)
	}
}

func (w *jsonWalk) skip() {
	if w.err == nil {
		w.err = w.in.SkipValue()
	}
}

// value copies the next value, which at stands before.
func (w *jsonWalk) value(at []position) {
	token := w.read()
	switch token.Kind() {
	case '{', '[':
		w.write(token)
		w.members(token.Kind() == '{', at)
		w.write(w.read())
		return
	case '"':
		if text := token.String(); w.rules.secrets.Contains(text) {
			token = jsontext.String(w.rules.secrets.Redact(text))
		}
	default: // a number, a literal, or the end, which hold no text
	}
	w.write(token)
}

// members copies the members of an object or the elements of an array, up to its end.
func (w *jsonWalk) members(object bool, at []position) {
	for index := 0; w.err == nil; index++ {
		if k := w.in.PeekKind(); k == '}' || k == ']' {
			return
		}
		name := strconv.Itoa(index)
		if object {
			name = w.read().String()
		}
		w.member(name, object, at)
	}
}

// member copies one member or element, or what stands for it.
func (w *jsonWalk) member(name string, object bool, at []position) {
	next, matched := w.rules.advance(at, name)
	if matched && w.rules.remove && object {
		w.skip()
		return
	}
	if object {
		w.write(jsontext.String(w.rules.secrets.Redact(name)))
	}
	switch {
	case !matched:
		w.value(next)
	case w.rules.remove:
		w.skip()
		w.write(jsontext.Null)
	default:
		w.skip()
		w.write(jsontext.String(redacted))
	}
}

// advance returns where the paths stand after a member of this name, and whether one of them ends there.
func (j *RedactJSON) advance(at []position, name string) (next []position, matched bool) {
	if len(at) == 0 {
		return nil, false
	}
	next = make([]position, 0, len(at))
	add := func(p position) {
		if slices.Contains(next, p) {
			return
		}
		next = append(next, p)
	}
	for _, p := range at {
		path := j.paths[p.path]
		for path[p.segment] == "**" { // none of it, or this name and perhaps more
			add(p)
			p.segment++
		}
		if segment := path[p.segment]; segment == "*" || segment == name {
			if p.segment++; p.segment == len(path) {
				return nil, true
			}
			add(p)
		}
	}
	return next, false
}

// Wrap returns a handler that redacts the JSON of next's answers (application/json and types that end in +json) before they
// are sent. It holds such a body in memory, so it is not for streams of JSON; other types pass as they are written.
// An answer that cannot be redacted is replaced by one with status 500.
func (j *RedactJSON) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		jw := &jsonWriter{next: w, rules: j}
		next.ServeHTTP(jw, r)
		jw.finish(r)
	})
}
