package revalidate

import "reflect"

// Sizer is implemented by values that know how many bytes of memory they hold; of others the cache makes an estimate.
type Sizer interface{ CacheSize() int64 }

// sizeBudget bounds how many parts of a value are looked at; a larger value is taken to go on as it began.
const sizeBudget = 4096

// sizeOf estimates the bytes that value holds on to, at least 16: the weight of an entry is never 0.
func sizeOf(value any) int64 {
	switch v := value.(type) {
	case interface{ size() int64 }:
		return max(v.size(), 16)
	case Sizer:
		return max(v.CacheSize(), 16)
	}
	s := sizer{budget: sizeBudget}
	return max(s.of(reflect.ValueOf(value)), 16)
}

func (d *data[T]) size() int64 {
	if d.err != nil {
		return int64(len(d.err.Error()))
	}
	switch v := any(d.value).(type) {
	case string:
		return 16 + int64(len(v))
	case []byte:
		return 24 + int64(cap(v))
	}
	return sizeOf(d.value)
}

type sizer struct{ budget int }

func (s *sizer) of(v reflect.Value) int64 {
	if !v.IsValid() {
		return 0
	}
	return int64(v.Type().Size()) + s.beyond(v) //nolint:gosec // a type's size
}

// beyond is what v holds outside its own memory. Shared and cyclic parts are counted at each place, within the budget.
func (s *sizer) beyond(v reflect.Value) int64 {
	if s.budget--; s.budget < 0 {
		return 0
	}
	switch v.Kind() { //nolint:exhaustive // the rest holds nothing outside
	case reflect.String:
		return int64(v.Len())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return 0
		}
		return s.of(v.Elem())
	case reflect.Slice:
		return int64(v.Cap()-v.Len())*int64(v.Type().Elem().Size()) + s.list(v, int64(v.Type().Elem().Size())) //nolint:gosec // sizes
	case reflect.Array:
		return s.list(v, 0)
	case reflect.Struct:
		var sum int64
		for _, field := range v.Fields() {
			sum += s.beyond(field)
		}
		return sum
	case reflect.Map:
		const perItem = 16
		var sum int64
		seen := 0
		for it := v.MapRange(); it.Next() && s.budget > 0; {
			sum += perItem + s.of(it.Key()) + s.of(it.Value())
			seen++
		}
		return extrapolate(sum, seen, v.Len())
	}
	return 0
}

// list sums up the elements of a slice or array, each of own bytes outside the value itself.
func (s *sizer) list(v reflect.Value, own int64) int64 {
	n := v.Len()
	sum := own * int64(n)
	if flat(v.Type().Elem()) {
		return sum
	}
	var held int64
	seen := 0
	for seen < n && s.budget > 0 {
		held += s.beyond(v.Index(seen))
		seen++
	}
	return sum + extrapolate(held, seen, n)
}

func extrapolate(sum int64, seen, n int) int64 {
	if seen == 0 || seen == n {
		return sum
	}
	return int64(float64(sum) / float64(seen) * float64(n))
}

// flat reports whether values of t hold nothing outside themselves.
func flat(t reflect.Type) bool {
	switch t.Kind() { //nolint:exhaustive // the rest is flat
	case reflect.String, reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return false
	case reflect.Array:
		return flat(t.Elem())
	case reflect.Struct:
		for field := range t.Fields() {
			if !flat(field.Type) {
				return false
			}
		}
	}
	return true
}
