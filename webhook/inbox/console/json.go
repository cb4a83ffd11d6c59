package console

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// deepest is the level beyond which JSON is not indented any further.
const deepest = 32

// errFull ends a walk when there is as much text as is to be shown.
var errFull = errors.New("as much as is shown")

// json lays a body out as JSON, with the values of hidden members left out, and reports whether there is more than limit bytes of it. ok is
// false where the body is not JSON, or not a sequence of it.
func (r *rules) json(body []byte, limit int) (text []segment, truncated, ok bool) {
	return r.jsonAt(body, limit, r.start())
}

func (r *rules) jsonAt(body []byte, limit int, place [][]string) (text []segment, truncated, ok bool) {
	w := jsonWalk{rules: r, left: limit, in: jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	for first := true; ; first = false {
		if w.in.PeekKind() == jsontext.KindInvalid {
			_, err := w.in.ReadToken()
			return w.text(), false, errors.Is(err, io.EOF) && !first
		}
		if !first {
			w.write("", "\n")
		}
		switch err := w.value(0, place); {
		case errors.Is(err, errFull):
			return w.text(), true, true
		case err != nil:
			return nil, false, false
		}
	}
}

// jsonWalk lays out one value after the other.
type jsonWalk struct {
	rules *rules
	in    *jsontext.Decoder
	left  int // bytes that may still be written

	out   []segment
	class string // of the segment that is being written
	last  strings.Builder
}

// write adds text, to the last segment where that has the same class.
func (w *jsonWalk) write(class, text string) {
	w.left -= len(text)
	if class != w.class {
		w.out = w.text()
		w.class = class
	}
	w.last.WriteString(text)
}

// text is what was written so far.
func (w *jsonWalk) text() []segment {
	if w.last.Len() > 0 {
		w.out = append(w.out, segment{w.class, w.last.String()})
		w.last.Reset()
	}
	return w.out
}

func (w *jsonWalk) line(depth int) { w.write("", "\n"+strings.Repeat("  ", min(depth, deepest))) }

// value lays out the next value, for which the rules stand at place.
func (w *jsonWalk) value(depth int, place [][]string) error {
	kind := w.in.PeekKind()
	if kind == '{' || kind == '[' {
		return w.container(kind == '{', depth, place)
	}
	raw, err := w.in.ReadValue()
	if err != nil {
		return err
	}
	return w.scalar(scalarClass(kind), string(raw))
}

func scalarClass(kind jsontext.Kind) string {
	switch kind {
	case '"':
		return "string"
	case '0':
		return "number"
	default:
		return "word"
	}
}

// scalar writes a value that has no others in it, cut where it is too long.
func (w *jsonWalk) scalar(class, text string) error {
	cut := short(text, max(w.left, 0))
	w.write(class, visible(cut))
	if cut != text || w.left <= 0 {
		return errFull
	}
	return nil
}

func (w *jsonWalk) container(object bool, depth int, place [][]string) error {
	brackets := [2]string{"[", "]"}
	if object {
		brackets = [2]string{"{", "}"}
	}
	if _, err := w.in.ReadToken(); err != nil {
		return err
	}
	w.write("", brackets[0])
	for i := 0; ; i++ {
		if kind := w.in.PeekKind(); kind == '}' || kind == ']' {
			if _, err := w.in.ReadToken(); err != nil {
				return err
			}
			if i > 0 {
				w.line(depth)
			}
			w.write("", brackets[1])
			return w.room()
		}
		if i > 0 {
			w.write("", ",")
		}
		w.line(depth + 1)
		err := w.room()
		if err == nil {
			err = w.element(object, i, depth+1, place)
		}
		if err != nil {
			return err
		}
	}
}

// element lays out one member of an object, or one element of an array.
func (w *jsonWalk) element(object bool, i, depth int, place [][]string) error {
	name := strconv.Itoa(i)
	if object {
		raw, err := w.in.ReadValue()
		if err != nil {
			return err
		}
		unquoted, _ := jsontext.AppendUnquote(nil, raw) // the decoder saw a string; what is not UTF-8 is replaced
		name = string(unquoted)
		if err := w.scalar("name", string(raw)); err != nil {
			return err
		}
		w.write("", ": ")
	}
	hidden, next := w.rules.step(place, name, object)
	if !hidden {
		return w.value(depth, next)
	}
	if err := w.in.SkipValue(); err != nil {
		return err
	}
	w.write("hidden", hiddenText)
	return w.room()
}

func (w *jsonWalk) room() error {
	if w.left <= 0 {
		return errFull
	}
	return nil
}
