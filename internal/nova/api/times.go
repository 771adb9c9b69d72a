package api

import "time"

// zulu writes times as "2026-11-22T11:00:00Z", which Nova uses for created and updated.
func zulu(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// plainTime writes times as "2026-11-22T11:00:00.000000", which Nova uses for most others; nil is null.
func plainTime(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000")
}
