package security

import (
	"bytes"
	"encoding"
	"errors"
	"io"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxRepaired is the largest body that is read again to find more faults than the first.
const maxRepaired = 16 << 10

// decodeJSON reads body into v, a pointer. Its error is a *DecodeError.
func decodeJSON(v any, body []byte, c DecodeConfig) error {
	if !utf8.Valid(body) {
		return syntaxFault("", "must be UTF-8", nil)
	}
	if deeperThan(body, c.MaxDepth) {
		return syntaxFault("", "must not be nested deeper than "+strconv.Itoa(c.MaxDepth)+" levels", nil)
	}
	unknown := json.RejectUnknownMembers(!c.AllowUnknown)
	err := json.Unmarshal(body, v, unknown)
	if err == nil {
		return nil
	}
	// The decoder stops at the first fault. What it found is taken out of the body and the rest is read again, into a value
	// that nobody sees, until nothing is wrong any more.
	var faults []Fault
	scratch := reflect.New(reflect.TypeOf(v).Elem())
	cause := err
	for {
		if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			return syntaxFault(string(syntactic.JSONPointer), syntaxDetail(syntactic), syntactic.Err)
		}
		semantic := &json.SemanticError{}
		_ = errors.As(err, &semantic) // the decoder has no errors of other types for a body in memory; if it had, the whole is at fault
		fault := Fault{Pointer: bounded(string(semantic.JSONPointer)), Detail: semanticDetail(semantic)}
		if slices.ContainsFunc(faults, func(f Fault) bool { return f.Pointer == fault.Pointer }) {
			break // taking it out did not help: a type refuses null too
		}
		faults = append(faults, fault)
		if len(faults) == maxFaults || len(body) > maxRepaired {
			break
		}
		if body, err = without(body, semantic.JSONPointer, errors.Is(semantic.Err, json.ErrUnknownName)); err == nil {
			scratch.Elem().SetZero()
			err = json.Unmarshal(body, scratch.Interface(), unknown)
		}
		if err == nil {
			break
		}
	}
	return &DecodeError{Faults: faults, reason: ErrContent, cause: valueless(cause)}
}

func syntaxFault(pointer, detail string, cause error) error {
	return &DecodeError{Faults: []Fault{{Pointer: bounded(pointer), Detail: detail}}, reason: ErrSyntax, cause: cause}
}

// maxPointer bounds a pointer, whose names the client chose and gets back.
const maxPointer = 256

// bounded cuts a pointer that is too long, between two characters.
func bounded(pointer string) string {
	if len(pointer) <= maxPointer {
		return pointer
	}
	end := maxPointer
	for !utf8.RuneStart(pointer[end]) {
		end--
	}
	return pointer[:end]
}

// valueless keeps of a decoder's error what may be logged: its text quotes the value, which may be a password.
func valueless(err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) && semantic.JSONValue == nil && semantic.Err == nil {
		return err
	}
	return nil
}

func syntaxDetail(e *jsontext.SyntacticError) string {
	switch {
	case errors.Is(e.Err, jsontext.ErrDuplicateName):
		return "must not occur twice"
	case errors.Is(e.Err, io.ErrUnexpectedEOF):
		return "ends early"
	}
	return "is not well-formed JSON at byte " + strconv.FormatInt(e.ByteOffset, 10)
}

// semanticDetail says what the Go value behind a JSON value takes, in the words of JSON.
func semanticDetail(e *json.SemanticError) string {
	if errors.Is(e.Err, json.ErrUnknownName) {
		return "is unknown"
	}
	return expected(e.GoType)
}

// expected says what a value of type t is written as.
func expected(t reflect.Type) string {
	if t == nil {
		return "is not valid"
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[[]byte]() {
		return "must be a string in base64"
	}
	switch {
	case t.String() == "time.Time":
		return "must be a date and time as in RFC 3339"
	case t.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()), reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()),
		reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()), reflect.PointerTo(t).Implements(reflect.TypeFor[json.UnmarshalerFrom]()):
		return "is not valid"
	}
	switch k := t.Kind(); {
	case k == reflect.Bool:
		return "must be true or false"
	case k >= reflect.Int && k <= reflect.Int64:
		top := uint64(1)<<(t.Bits()-1) - 1
		return "must be a whole number from -" + strconv.FormatUint(top+1, 10) + " to " + strconv.FormatUint(top, 10)
	case k >= reflect.Uint && k <= reflect.Uintptr:
		return "must be a whole number from 0 to " + strconv.FormatUint(^uint64(0)>>(64-t.Bits()), 10)
	case k == reflect.Float32 || k == reflect.Float64:
		return "must be a number of " + strconv.Itoa(t.Bits()) + "-bit floating point"
	case k == reflect.String:
		return "must be a string"
	case k == reflect.Slice:
		return "must be an array"
	case k == reflect.Array:
		return "must be an array of " + strconv.Itoa(t.Len())
	case k == reflect.Struct || k == reflect.Map:
		return "must be an object"
	}
	return "is not valid"
}

// deeperThan reports whether arrays and objects lie deeper in one another than limit. It looks at brackets alone: whether they match is
// for the decoder to say.
func deeperThan(body []byte, limit int) bool {
	depth := 0
	inString := false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString:
			if c == '\\' {
				i++
			}
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '[' || c == '{':
			if depth++; depth > limit {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// without returns body with the value at pointer replaced by null, or taken out with its name where unknown is set. Its error is
// the syntactic one of a body that is malformed further on.
func without(body []byte, pointer jsontext.Pointer, unknown bool) ([]byte, error) {
	var out bytes.Buffer
	d, e := jsontext.NewDecoder(bytes.NewReader(body)), jsontext.NewEncoder(&out)
	for {
		token, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		if d.StackPointer() != pointer || token.Kind() == '}' || token.Kind() == ']' {
			if err := e.WriteToken(token); err != nil {
				return nil, err
			}
			continue
		}
		container, length := d.StackIndex(d.StackDepth())
		switch {
		case container == '{' && length%2 == 1: // the member's name: its value is next
			if !unknown {
				err = errors.Join(e.WriteToken(token), e.WriteToken(jsontext.Null))
			}
			err = errors.Join(err, d.SkipValue())
		case token.Kind() == '{' || token.Kind() == '[': // an element that just began: skip to its end
			for depth := d.StackDepth(); err == nil && d.StackDepth() >= depth; {
				_, err = d.ReadToken()
			}
			err = errors.Join(err, e.WriteToken(jsontext.Null))
		default:
			err = e.WriteToken(jsontext.Null)
		}
		if err != nil {
			return nil, err
		}
	}
}
