package rest

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestListIsWhatOneMarshalWrites(t *testing.T) {
	for _, n := range []int{0, 1, 2, parallelList - 1, parallelList, 5*parallelList + 3, 1000} {
		for _, more := range []map[string]any{nil, {}, {"links": []string{"a<b"}, "count": n}} {
			view := func(i int) any { return map[string]any{"id": i, "text": "ü<&>\""} }
			want := map[string]any{"things": []any{}}
			for i := range n {
				want["things"] = append(want["things"].([]any), view(i))
			}
			for k, v := range more {
				want[k] = v
			}
			body, err := List("things", n, view, more)
			if err != nil {
				t.Fatal(err)
			}
			expected, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			var a, b any
			if err := json.Unmarshal(body, &a); err != nil {
				t.Fatalf("%d: %v in %s", n, err, body)
			}
			if err := json.Unmarshal(expected, &b); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(b, a); d != "" {
				t.Fatalf("%d: %s", n, d)
			}
		}
	}
	if _, err := List("things", 300, func(i int) any { return func() {} }, nil); err == nil {
		t.Error("what cannot be written is no error")
	}
}
