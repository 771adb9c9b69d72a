// Package secret holds values that must never be printed: passwords, tokens, keys.
//
// A String prints as stars through fmt, slog, JSON and YAML; only Reveal gives the value.
package secret

import "log/slog"

const stars = "***"

// String is a secret value. The zero value is the empty secret.
type String struct{ v string }

// New wraps v.
func New(v string) String { return String{v} }

// Reveal returns the value itself. Call it only where the value is used, never to print it.
func (s String) Reveal() string { return s.v }

// Empty tells whether there is no value.
func (s String) Empty() bool { return s.v == "" }

// String implements fmt.Stringer with stars.
func (s String) String() string { return stars }

// GoString implements fmt.GoStringer with stars, for %#v.
func (s String) GoString() string { return stars }

// LogValue implements slog.LogValuer with stars.
func (s String) LogValue() slog.Value { return slog.StringValue(stars) }

// MarshalJSON writes stars.
func (s String) MarshalJSON() ([]byte, error) { return []byte(`"` + stars + `"`), nil }

// MarshalYAML writes stars.
func (s String) MarshalYAML() (any, error) { return stars, nil }

// UnmarshalText reads the value from a configuration file or request.
func (s *String) UnmarshalText(b []byte) error { s.v = string(b); return nil }
