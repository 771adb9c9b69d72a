package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
)

// Whatever a client asks for, the span lies inside the data or is refused.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-3", "bytes=-5", "bytes=5-", "bytes=9-1", "bytes=-", "bytes=0-18446744073709551615", "bytes 1-2/3"} {
		f.Add(s, "", int64(10))
		f.Add("", s, int64(0))
	}
	f.Fuzz(func(t *testing.T, header, content string, size int64) {
		if size < 0 {
			t.Skip()
		}
		h := http.Header{}
		h.Set("Range", header)
		h.Set("Content-Range", content)
		part, err := wanted(h, size)
		if err == nil && (part.from < 0 || part.to > size || part.from > part.to || part.ranged && part.from == part.to) {
			t.Errorf("%q %q of %d bytes gives %+v", header, content, size, part)
		}
	})
}

// A query is a filter and an order, or refused; it never brings a column that does not exist.
func FuzzListQuery(f *testing.F) {
	for _, s := range []string{"name=in:a,b", `name=in:"a,b",c`, "created_at=gt:2026-01-01T00:00:00Z", "sort=name:asc,size", "tag=a&tag=b", `id=in:"\`, "size_min=9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		query, err := url.ParseQuery(raw)
		if err != nil {
			t.Skip()
		}
		if filter, err := parseFilter(query); err == nil {
			for column, values := range filter.In {
				if len(values) == 0 {
					t.Errorf("%q: no values for %s", raw, column)
				}
			}
		}
		if sort, err := parseSort(query); err == nil && len(sort) == 0 {
			t.Errorf("%q: no order", raw)
		}
	})
}

// A patch that parses names one attribute and touches none that clients may not write.
func FuzzPatch(f *testing.F) {
	f.Add(`{"op": "add", "path": "/a~1b", "value": "x"}`, false)
	f.Add(`{"op": "remove", "path": "/a"}`, false)
	f.Add(`{"replace": "/name", "value": null}`, true)
	f.Add(`{"op": "replace", "path": "/tags", "value": ["a", 1]}`, false)
	f.Fuzz(func(t *testing.T, text string, old bool) {
		var doc map[string]any
		if json.Unmarshal([]byte(text), &doc) != nil {
			t.Skip()
		}
		c, err := parseChange(doc, old)
		if err != nil {
			return
		}
		if len(c.path) == 0 || c.path[0] != "locations" && writable(map[string]any{c.path[0]: c.value}) != nil {
			t.Errorf("%s went through as %+v", text, c)
		}
	})
}
