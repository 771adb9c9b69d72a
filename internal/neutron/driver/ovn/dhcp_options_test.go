package ovn

import (
	"testing"

	"gostack/internal/neutron/driver"
)

// TestTextOfDHCPOptions: a value may come with the quotes that OVN wants, and with none else.
func TestTextOfDHCPOptions(t *testing.T) {
	for value, want := range map[string]string{`test.domain`: `"test.domain"`, `"test.domain"`: `"test.domain"`, `"`: "", `a"b`: "", `"a"b"`: "", `"a\"`: ""} {
		_, got, err := dhcpOption(driver.DHCPOption{Name: "domain-name", Value: value, IPVersion: 4})
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %s %v", value, got, err)
		}
	}
}
