package security

import (
	"errors"
	"reflect"
)

// sanitizeFields cleans the string fields of what v points to that have a sanitize tag, in structs, slices, maps and pointers below
// it too. Its error is a mistake in the program: a tag that c.Sanitize does not have, or one on a field that is no text.
func sanitizeFields(v any, c DecodeConfig) error {
	return sanitizeValue(reflect.ValueOf(v).Elem(), c.Sanitize)
}

func sanitizeValue(v reflect.Value, by map[string]func(string) string) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() || v.Kind() == reflect.Interface {
			return nil
		}
		return sanitizeValue(v.Elem(), by)
	case reflect.Slice, reflect.Array:
		if !mayHoldStruct(v.Type().Elem()) {
			return nil
		}
		for i := range v.Len() {
			if err := sanitizeValue(v.Index(i), by); err != nil {
				return err
			}
		}
	case reflect.Map:
		if !mayHoldStruct(v.Type().Elem()) {
			return nil
		}
		for _, key := range v.MapKeys() {
			element := reflect.New(v.Type().Elem()).Elem() // a map's element cannot be changed in place
			element.Set(v.MapIndex(key))
			if err := sanitizeValue(element, by); err != nil {
				return err
			}
			v.SetMapIndex(key, element)
		}
	case reflect.Struct:
		return sanitizeStruct(v, by)
	default:
	}
	return nil
}

func sanitizeStruct(v reflect.Value, by map[string]func(string) string) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() && !field.Anonymous {
			continue
		}
		name, tagged := field.Tag.Lookup("sanitize")
		if !tagged {
			if err := sanitizeValue(v.Field(i), by); err != nil {
				return err
			}
			continue
		}
		clean := by[name]
		if clean == nil {
			return errors.New(`security: DecodeConfig.Sanitize has no "` + name + `", which ` + v.Type().String() + "." + field.Name + " asks for")
		}
		if !cleanText(v.Field(i), clean) {
			return errors.New("security: " + v.Type().String() + "." + field.Name + " has a sanitize tag and holds no text")
		}
	}
	return nil
}

// cleanText cleans a string, a pointer to one, or each string of a slice.
func cleanText(v reflect.Value, clean func(string) string) bool {
	switch {
	case v.Kind() == reflect.String && v.CanSet():
		v.SetString(clean(v.String()))
		return true
	case v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.String:
		return v.IsNil() || cleanText(v.Elem(), clean)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
		for i := range v.Len() {
			cleanText(v.Index(i), clean)
		}
		return true
	}
	return false
}

// mayHoldStruct reports whether a value of type t can hold a struct whose fields have tags.
func mayHoldStruct(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return true
	default:
		return false
	}
}
