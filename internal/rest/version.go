package rest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Version is a microversion. The zero value means none.
type Version struct{ Major, Minor int }

// V makes a version.
func V(major, minor int) Version { return Version{major, minor} }

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// IsZero tells whether v is no version.
func (v Version) IsZero() bool { return v == Version{} }

// Less tells whether v is older than w.
func (v Version) Less(w Version) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

// AtLeast tells whether v is major.minor or newer.
func (v Version) AtLeast(major, minor int) bool { return !v.Less(V(major, minor)) }

func parseVersion(s string) (Version, bool) {
	a, b, ok := strings.Cut(s, ".")
	if !ok || len(a) > 4 || len(b) > 4 || strings.HasPrefix(a, "0") && a != "0" || strings.HasPrefix(b, "0") && b != "0" {
		return Version{}, false
	}
	major, err1 := strconv.ParseUint(a, 10, 16)
	minor, err2 := strconv.ParseUint(b, 10, 16)
	return Version{int(major), int(minor)}, err1 == nil && err2 == nil
}

// Microversions says which a service speaks and how its clients ask: "OpenStack-API-Version: compute 2.53", and before
// that header existed "X-OpenStack-Nova-API-Version: 2.53" (API microversion guideline).
type Microversions struct {
	Service      string // the word in OpenStack-API-Version
	LegacyHeader string // may be empty
	Min, Max     Version
	OfPublic     bool // public routes refuse versions too
	// Refuse makes the answer to a version that is malformed (400) or out of range (406); nil gives Nova's sentences.
	Refuse func(status int, asked string) *Error
}

// negotiate finds the version that a request asks for; without the header it is Min.
func (m *Microversions) negotiate(h http.Header) (Version, error) {
	asked := m.asked(h)
	switch strings.ToLower(asked) {
	case "":
		return m.Min, nil
	case "latest":
		return m.Max, nil
	}
	v, ok := parseVersion(asked)
	switch {
	case !ok:
		return m.Min, m.refuse(http.StatusBadRequest, asked)
	case v.Less(m.Min) || m.Max.Less(v):
		return m.Min, m.refuse(http.StatusNotAcceptable, asked)
	}
	return v, nil
}

func (m *Microversions) refuse(status int, asked string) error {
	if m.Refuse != nil {
		return m.Refuse(status, asked)
	}
	if status == http.StatusBadRequest {
		return Fail(status, "API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", asked)
	}
	return Fail(status, "Version %s is not supported by the API. Minimum is %s and maximum is %s.", asked, m.Min, m.Max)
}

// asked returns the version named for this service; when the header lists several services the last one for us counts.
func (m *Microversions) asked(h http.Header) (asked string) {
	for _, line := range h.Values("OpenStack-API-Version") {
		for part := range strings.SplitSeq(line, ",") {
			name, v, ok := strings.Cut(strings.TrimSpace(part), " ")
			if ok && strings.EqualFold(name, m.Service) {
				asked = strings.TrimSpace(v)
			}
		}
	}
	if asked == "" && m.LegacyHeader != "" {
		asked = strings.TrimSpace(h.Get(m.LegacyHeader))
	}
	return asked
}

// announce writes the version in force and what the answer varies with.
func (m *Microversions) announce(h http.Header, v Version) {
	h.Set("OpenStack-API-Version", m.Service+" "+v.String())
	h.Add("Vary", "OpenStack-API-Version")
	if m.LegacyHeader != "" {
		h.Set(m.LegacyHeader, v.String())
		h.Add("Vary", m.LegacyHeader)
	}
}
