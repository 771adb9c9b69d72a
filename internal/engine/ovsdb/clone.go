package ovsdb

import (
	"maps"
	"reflect"
	"slices"
)

// Clone copies a row: the replica's library would otherwise copy rows through JSON, at every read and every change. Columns are scalars,
// []string, map[string]string, map[string]int, and pointers to scalars.
func Clone[T any](r *T) *T {
	out := *r
	v := reflect.ValueOf(&out).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		switch f.Kind() {
		case reflect.Slice:
			f.Set(reflect.ValueOf(slices.Clone(f.Interface().([]string))))
		case reflect.Map:
			switch m := f.Interface().(type) {
			case map[string]string:
				f.Set(reflect.ValueOf(maps.Clone(m)))
			case map[string]int:
				f.Set(reflect.ValueOf(maps.Clone(m)))
			}
		case reflect.Pointer:
			if !f.IsNil() {
				p := reflect.New(f.Type().Elem())
				p.Elem().Set(f.Elem())
				f.Set(p)
			}
		}
	}
	return &out
}

// Equal compares all columns of two rows.
func Equal[T any](a, b *T) bool {
	return reflect.DeepEqual(a, b)
}
