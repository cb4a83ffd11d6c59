package security

import (
	"bytes"
	"encoding"
	"errors"
	"io"
	"mime/multipart"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A formValue is one name and value of a form, in the order of the body.
type formValue struct{ name, value string }

// decodeForm reads an application/x-www-form-urlencoded body, as the URL Standard, section 5.1, does, but refuses what that
// repairs: a broken percent escape, and bytes that are not UTF-8.
func decodeForm(v any, body []byte, c DecodeConfig) error {
	var form []formValue
	for part := range strings.SplitSeq(string(body), "&") {
		if part == "" {
			continue
		}
		if len(form) == c.MaxFields {
			return syntaxFault("", "must not have more than "+strconv.Itoa(c.MaxFields)+" fields", nil)
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || !utf8.ValidString(name) {
			return syntaxFault("", "must have names that are percent-encoded UTF-8", nil)
		}
		value, err = url.QueryUnescape(value)
		if err != nil || !utf8.ValidString(value) {
			return syntaxFault(pointerTo(name), "must be percent-encoded UTF-8", nil)
		}
		form = append(form, formValue{name, value})
	}
	return fillForm(v, form, c)
}

// decodeMultipart reads a multipart/form-data body (RFC 7578) of text fields. A file is a fault: a handler that takes files
// reads them from the request itself, as a stream.
func decodeMultipart(boundary string) func(v any, body []byte, c DecodeConfig) error {
	return func(v any, body []byte, c DecodeConfig) error {
		var form []formValue
		reader := multipart.NewReader(bytes.NewReader(body), boundary)
		for {
			part, err := reader.NextPart()
			if err == io.EOF { //nolint:errorlint // the reader wraps io.EOF where the body is cut short, and returns it bare at the end
				return fillForm(v, form, c)
			}
			if err != nil {
				return syntaxFault("", "is not well-formed multipart/form-data", err)
			}
			name := part.FormName()
			if len(form) == c.MaxFields {
				return syntaxFault("", "must not have more than "+strconv.Itoa(c.MaxFields)+" fields", nil)
			}
			if name == "" || !utf8.ValidString(name) {
				return syntaxFault("", "must name each part", nil)
			}
			if part.FileName() != "" {
				return &DecodeError{Faults: []Fault{{Pointer: pointerTo(name), Detail: "must not be a file"}}, reason: ErrContent}
			}
			value, err := io.ReadAll(part) // bounded by the body, which is in memory
			if err != nil {
				return syntaxFault(pointerTo(name), "ends early", err)
			}
			if !utf8.Valid(value) {
				return syntaxFault(pointerTo(name), "must be UTF-8", nil)
			}
			form = append(form, formValue{name, string(value)})
		}
	}
}

// fillForm sets the fields of the struct behind v. Its error is a *DecodeError with every fault.
func fillForm(v any, form []formValue, c DecodeConfig) error {
	target := reflect.ValueOf(v).Elem()
	if target.Kind() != reflect.Struct {
		return errors.New("security: a form is decoded into a struct, not into " + target.Type().String())
	}
	fields := make(map[string]reflect.Value)
	formFields(target, fields)
	seen := make(map[string]bool)
	var faults []Fault
	for _, f := range form {
		if len(faults) == maxFaults {
			break
		}
		field, known := fields[f.name]
		switch {
		case !known:
			if !c.AllowUnknown && !seen[f.name] {
				faults = append(faults, Fault{pointerTo(f.name), "is unknown"})
			}
		case isList(field):
			element := reflect.New(field.Type().Elem()).Elem()
			if !setText(element, f.value) {
				faults = append(faults, Fault{pointerTo(f.name), expectedText(element.Type())})
				continue
			}
			field.Set(reflect.Append(field, element))
		case seen[f.name]:
			faults = append(faults, Fault{pointerTo(f.name), "must not occur twice"})
		case !setText(field, f.value):
			faults = append(faults, Fault{pointerTo(f.name), expectedText(field.Type())})
		}
		seen[f.name] = true
	}
	if len(faults) > 0 {
		return &DecodeError{Faults: faults, reason: ErrContent}
	}
	return nil
}

// formFields collects the settable fields of v by their name in a form; those of embedded structs lie beside them.
func formFields(v reflect.Value, fields map[string]reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, tagged := field.Tag.Lookup("form")
		if !tagged {
			name, _, _ = strings.Cut(field.Tag.Get("json"), ",")
		}
		switch {
		case field.Anonymous && name == "" && field.Type.Kind() == reflect.Struct:
			formFields(v.Field(i), fields)
			continue
		case name == "-" || !field.IsExported():
			continue
		case name == "":
			name = field.Name
		}
		if _, taken := fields[name]; !taken {
			fields[name] = v.Field(i)
		}
	}
}

// isList reports whether a field takes a name several times.
func isList(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8 && !v.Addr().Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// setText sets v from a form's text and reports whether it could.
func setText(v reflect.Value, text string) bool {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return setText(v.Elem(), text)
	}
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		return u.UnmarshalText([]byte(text)) == nil
	}
	bits := 0
	if k := v.Kind(); k >= reflect.Int && k <= reflect.Float64 {
		bits = v.Type().Bits()
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return true
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(text))
			return true
		}
	case reflect.Bool:
		v.SetBool(text == "true")
		return text == "true" || text == "false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, bits)
		v.SetInt(n)
		return err == nil && isPlainNumber(text)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		n, err := strconv.ParseUint(text, 10, bits)
		v.SetUint(n)
		return err == nil && isPlainNumber(text)
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(text, bits)
		v.SetFloat(n)
		return err == nil && isPlainNumber(text)
	case reflect.Invalid, reflect.Complex64, reflect.Complex128, reflect.Array, reflect.Chan, reflect.Func, reflect.Interface,
		reflect.Map, reflect.Pointer, reflect.Struct, reflect.UnsafePointer:
	}
	return false
}

// isPlainNumber refuses what strconv takes beyond the numbers of JSON: a plus sign, Inf, NaN, hexadecimal and underscores.
func isPlainNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789-.eE+") == "" && text[0] != '+'
}

// expectedText says how a value of type t is written in a form.
func expectedText(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if k := t.Kind(); k == reflect.Slice || k == reflect.Map || k == reflect.Struct && t.String() != "time.Time" {
		return "is not valid"
	}
	return expected(t)
}

// pointerTo is the JSON Pointer of a form's field.
func pointerTo(name string) string {
	return bounded("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
}
