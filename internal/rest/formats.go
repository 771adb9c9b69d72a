package rest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// formats are OpenStack's own and the ones it reads in a way of its own.
var formats = []*jsonschema.Format{
	format("uuid", func(s string) bool { return IsUUID(s) }),
	format("cidr", func(s string) bool { _, err := netip.ParsePrefix(s); return err == nil }),
	format("mac-address", func(s string) bool { m, err := net.ParseMAC(s); return err == nil && len(m) == 6 }),
	format("ip-address", func(s string) bool { _, err := netip.ParseAddr(s); return err == nil }),
	format("base64", func(s string) bool { _, err := Base64(s); return err == nil }),
	format("date-time", func(s string) bool { _, err := ParseTime(s); return err == nil }),
}

// Base64 decodes a text as upstream does, whose users break it into lines or words.
func Base64(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
}

func format(name string, ok func(string) bool) *jsonschema.Format {
	return &jsonschema.Format{Name: name, Validate: func(v any) error {
		if s, isString := v.(string); isString && !ok(s) {
			return fmt.Errorf("%q is not a '%s'", s, name)
		}
		return nil
	}}
}

// IsUUID tells whether s is a UUID as oslo.utils' is_uuid_like takes it: with or without dashes, braces or urn, any case.
func IsUUID(s string) bool { _, err := uuid.Parse(s); return err == nil }

// ParseTime reads a time in ISO 8601 as oslo.utils does, with or without zone and fraction; without a zone it is UTC.
func ParseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02T15:04:05-0700", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time in ISO 8601", s)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
