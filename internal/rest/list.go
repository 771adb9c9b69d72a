package rest

import (
	"encoding/json"
	"runtime"
	"sync"
)

// RawJSON is a body that is written as it is.
type RawJSON []byte

// MarshalJSON implements json.Marshaler.
func (b RawJSON) MarshalJSON() ([]byte, error) { return b, nil }

// parallelList is how many elements are worth another processor.
const parallelList = 64

// List is the body {name: [view(0), …, view(n-1)], …more}. Long lists are viewed and written by several processors at once, so view must
// be safe for that. more are further members and may be nil.
func List(name string, n int, view func(i int) any, more map[string]any) (RawJSON, error) {
	workers := min(runtime.GOMAXPROCS(0), 1+n/parallelList)
	parts, errs := make([][]byte, workers), make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			from, to := w*n/workers, (w+1)*n/workers
			views := make([]any, 0, to-from)
			for i := from; i < to; i++ {
				views = append(views, view(i))
			}
			if len(views) > 0 {
				parts[w], errs[w] = json.Marshal(views)
			}
		})
	}
	wg.Wait()
	size := len(name) + 8
	for w := range workers {
		if errs[w] != nil {
			return nil, errs[w]
		}
		size += len(parts[w])
	}
	key, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, size)
	body = append(append(append(body, '{'), key...), ':', '[')
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		if body[len(body)-1] != '[' {
			body = append(body, ',')
		}
		body = append(body, p[1:len(p)-1]...)
	}
	body = append(body, ']')
	if len(more) > 0 {
		rest, err := json.Marshal(more)
		if err != nil {
			return nil, err
		}
		body = append(append(body, ','), rest[1:len(rest)-1]...)
	}
	return append(body, '}'), nil
}
