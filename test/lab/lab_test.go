package lab_test

import (
	"net/http"
	"testing"
	"time"

	"gostack/test/lab"
)

// TestLab brings a whole lab up and lets things die one after the other.
func TestLab(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		answers := func() bool {
			resp, err := (&http.Client{Timeout: 2 * time.Second}).Get(l.Endpoint() + "/identity/v3")
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		}
		for _, m := range l.Controls {
			if err := m.Gostack().Kill(t.Context()); err != nil {
				t.Fatal(err)
			}
			await(t, "the other replica answers without "+m.Name, answers)
			if err := m.Gostack().Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := m.Cut(); err != nil {
				t.Fatal(err)
			}
			await(t, "the other replica answers while "+m.Name+" is cut off", answers)
			if err := m.Mend(); err != nil {
				t.Fatal(err)
			}
			if err := m.Off(t.Context()); err != nil {
				t.Fatal(err)
			}
			await(t, "the other replica answers while "+m.Name+" has no power", answers)
			if err := m.On(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Hosts[0].Run(t.Context(), "ping", "-c1", l.Controls[0].Address); err != nil {
			t.Error(err)
		}
	})
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}
