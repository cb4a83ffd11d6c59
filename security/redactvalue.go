package security

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what is printed of one attribute. What lies beyond is left out and said to be.
const (
	maxNodes = 1000
	maxDepth = 12
)

const left = "[left out]"

// A walk turns one value into plain ones (strings, numbers, maps, slices) without secrets.
type walk struct {
	scrub *scrubber
	nodes int // how many more values may be printed
}

// attr returns a without secrets; all of it is hidden where secret is set.
func (w *walk) attr(a slog.Attr, secret bool, depth int) slog.Attr {
	secret = secret || w.scrub.keys.secret(a.Key)
	key := w.scrub.text(a.Key)
	value := a.Value.Resolve()
	if w.nodes--; w.nodes < 0 || depth > maxDepth {
		return slog.String(key, left)
	}
	switch value.Kind() {
	case slog.KindGroup:
		group := value.Group()
		clean := make([]slog.Attr, len(group))
		for i, member := range group {
			clean[i] = w.attr(member, secret, depth+1)
		}
		return slog.Attr{Key: key, Value: slog.GroupValue(clean...)}
	case slog.KindString:
		if secret && value.String() != "" {
			return slog.String(key, redacted)
		}
		return slog.String(key, w.scrub.text(value.String()))
	case slog.KindAny:
		if secret && value.Any() != nil {
			return slog.String(key, redacted)
		}
		return slog.Any(key, w.any(value.Any(), depth))
	case slog.KindBool, slog.KindDuration, slog.KindFloat64, slog.KindInt64, slog.KindTime, slog.KindUint64, slog.KindLogValuer:
	}
	if secret && !w.scrub.keys.describes(a.Key) {
		return slog.String(key, redacted)
	}
	return slog.Attr{Key: key, Value: value}
}

// any returns x as plain values without secrets. A method of x that panics is named, and logging goes on.
func (w *walk) any(x any, depth int) (plain any) {
	defer func() {
		if p := recover(); p != nil {
			plain = fmt.Sprintf("[%T: a method panicked]", x)
		}
	}()
	if w.nodes--; w.nodes < 0 || depth > maxDepth {
		return left
	}
	switch v := x.(type) {
	case nil:
		return nil
	case slog.LogValuer:
		return w.logged(v.LogValue().Resolve(), depth)
	case slog.Attr:
		clean := w.attr(v, false, depth+1)
		return map[string]any{clean.Key: w.any(clean.Value.Any(), depth+1)}
	case slog.Value:
		return w.logged(v.Resolve(), depth)
	case error:
		return w.scrub.text(v.Error())
	case *http.Request:
		return w.request(v)
	case http.Cookie:
		return w.cookie(&v)
	case *http.Cookie:
		return w.cookie(v)
	case url.Values:
		return w.query(v)
	case url.URL:
		return w.scrub.text(v.String())
	case *url.URL:
		return w.scrub.text(v.String())
	case []byte:
		return w.bytes(v)
	case time.Time:
		return v
	case json.Marshaler:
		return w.json(v, depth)
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		if err != nil {
			return w.scrub.text(err.Error())
		}
		return w.bytes(text)
	case fmt.Stringer:
		return w.scrub.text(v.String())
	}
	return w.reflect(reflect.ValueOf(x), depth)
}

func (w *walk) logged(v slog.Value, depth int) any {
	if v.Kind() != slog.KindGroup {
		return w.any(v.Any(), depth+1)
	}
	tree := make(map[string]any, len(v.Group()))
	for _, a := range v.Group() {
		w.member(tree, a.Key, a.Value.Resolve(), depth)
	}
	return tree
}

// member adds name and x to tree, hidden where the name is a secret's.
func (w *walk) member(tree map[string]any, name string, x any, depth int) {
	key := w.scrub.text(name)
	if !w.scrub.keys.secret(name) || w.scrub.keys.describes(name) && isNumber(x) {
		tree[key] = w.any(x, depth+1)
		return
	}
	if x == nil || x == "" {
		tree[key] = x
		return
	}
	tree[key] = redacted
}

func isNumber(x any) bool {
	switch x.(type) {
	case json.Number, time.Time, time.Duration:
		return true
	}
	k := reflect.ValueOf(x).Kind()
	return reflect.Bool <= k && k <= reflect.Float64
}

// request prints what identifies a request and nothing it carries.
func (w *walk) request(r *http.Request) any {
	if r == nil || r.URL == nil {
		return nil
	}
	return r.Method + " " + w.scrub.text(r.URL.String())
}

// query prints the parameters of a query or a form. An authorization code is a secret there, and "code" nowhere else.
func (w *walk) query(q url.Values) any {
	if q == nil {
		return nil
	}
	tree := make(map[string]any, min(len(q), max(w.nodes, 0)+1))
	for name, values := range q {
		if w.nodes--; w.nodes < 0 {
			tree["..."] = left
			break
		}
		if name == "code" {
			tree[name] = redacted
			continue
		}
		w.member(tree, name, values, 0)
	}
	return tree
}

func (w *walk) cookie(c *http.Cookie) any {
	if c == nil {
		return nil
	}
	return w.scrub.text(c.Name) + "=" + redacted
}

// bytes prints text as text, where slog would print base64 or numbers in which nobody recognises a secret.
func (w *walk) bytes(b []byte) any {
	if b == nil {
		return nil
	}
	if !utf8.Valid(b) {
		return fmt.Sprintf("[%d bytes]", len(b))
	}
	if limit := w.scrub.limit + w.scrub.secrets.longest(); len(b) > limit+utf8.UTFMax {
		b = b[:limit+1] // the scrubber cuts it and says so
	}
	return w.scrub.text(string(b))
}

// json prints what a value says it is in JSON.
func (w *walk) json(m json.Marshaler, depth int) any {
	raw, err := json.Marshal(m)
	if err != nil {
		return w.scrub.text(err.Error())
	}
	if len(raw) > w.scrub.limit {
		return w.bytes(raw)
	}
	var tree any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if d.Decode(&tree) != nil {
		return w.bytes(raw)
	}
	return w.any(tree, depth+1)
}

// reflect prints what has no method of its own to print it.
func (w *walk) reflect(v reflect.Value, depth int) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return w.any(v.Elem().Interface(), depth+1)
	case reflect.String:
		return w.scrub.text(v.String())
	case reflect.Slice, reflect.Array:
		return w.list(v, depth)
	case reflect.Map:
		return w.table(v, depth)
	case reflect.Struct:
		tree := make(map[string]any, v.NumField())
		w.fields(tree, v, depth)
		return tree
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8,
		reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr, reflect.Float32, reflect.Float64:
		return v.Interface()
	case reflect.Complex64, reflect.Complex128:
		return fmt.Sprint(v.Interface())
	case reflect.Invalid, reflect.Chan, reflect.Func, reflect.UnsafePointer:
	}
	return "[" + v.Type().String() + "]"
}

func (w *walk) list(v reflect.Value, depth int) any {
	if v.Kind() == reflect.Slice && v.IsNil() {
		return nil
	}
	if v.Type().Elem().Kind() == reflect.Uint8 { // a named byte slice, or a byte array such as a key
		b := make([]byte, v.Len())
		for i := range b {
			b[i] = byte(v.Index(i).Uint()) //nolint:gosec // its kind is uint8
		}
		return w.bytes(b)
	}
	out := make([]any, 0, min(v.Len(), max(w.nodes, 0)+1))
	for i := range v.Len() {
		if w.nodes <= 0 {
			out = append(out, left)
			break
		}
		if i > 0 && w.isFlag(v.Index(i-1)) {
			out = append(out, redacted)
			continue
		}
		out = append(out, w.any(v.Index(i).Interface(), depth+1))
	}
	return out
}

// isFlag reports whether an element of a command line is the name of a secret, which the next one holds.
func (w *walk) isFlag(v reflect.Value) bool {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() != reflect.String {
		return false
	}
	name := strings.TrimLeft(v.String(), "-")
	return len(name) < v.Len() && !strings.Contains(name, "=") && w.scrub.keys.secret(name)
}

func (w *walk) table(v reflect.Value, depth int) any {
	if v.IsNil() {
		return nil
	}
	tree := make(map[string]any, min(v.Len(), max(w.nodes, 0)+1))
	for entries := v.MapRange(); entries.Next(); {
		if w.nodes <= 0 {
			tree["..."] = left
			break
		}
		w.member(tree, keyText(entries.Key()), entries.Value().Interface(), depth)
	}
	return tree
}

// keyText prints a map's key as encoding/json would.
func keyText(k reflect.Value) string {
	if k.Kind() == reflect.String {
		return k.String()
	}
	if m, ok := reflect.TypeAssert[encoding.TextMarshaler](k); ok {
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(k.Interface())
}

// fields adds the exported fields of the struct v under their JSON names; those of embedded structs lie beside them.
func (w *walk) fields(tree map[string]any, v reflect.Value, depth int) {
	if depth > maxDepth { // a struct may embed a pointer to itself
		return
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == "-" {
			continue
		}
		if field.Anonymous && tag == "" {
			inner := v.Field(i)
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct {
				w.fields(tree, inner, depth+1)
				continue
			}
		}
		if !field.IsExported() {
			continue
		}
		name := field.Name
		if tag != "" {
			name = tag
		}
		if tag != "" && w.scrub.keys.secret(field.Name) && !w.scrub.keys.secret(tag) && !v.Field(i).IsZero() { // Password string `json:"p"`
			tree[w.scrub.text(name)] = redacted
			continue
		}
		w.member(tree, name, v.Field(i).Interface(), depth)
	}
}
