package ovsdb

import (
	"reflect"
	"slices"
)

// Diff names the columns (without _uuid and the ignored ones) in which two rows of the same table differ. Sets are compared without
// regard to order, and an absent map or set equals an empty one.
func Diff(have, want Row, ignore ...string) []string {
	h, w := reflect.ValueOf(have).Elem(), reflect.ValueOf(want).Elem()
	var out []string
	for i := range h.NumField() {
		tag := h.Type().Field(i).Tag.Get("ovsdb")
		if tag == "_uuid" || slices.Contains(ignore, tag) {
			continue
		}
		if !sameValue(h.Field(i), w.Field(i)) {
			out = append(out, tag)
		}
	}
	return out
}

func sameValue(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Map, reflect.Slice:
		if a.Len() == 0 && b.Len() == 0 {
			return true
		}
		if as, ok := a.Interface().([]string); ok {
			bs := slices.Clone(b.Interface().([]string))
			as = slices.Clone(as)
			slices.Sort(as)
			slices.Sort(bs)
			return slices.Equal(slices.Compact(as), slices.Compact(bs))
		}
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}
