package config

import (
	"strings"
	"testing"
	"time"
)

func none(string) (string, bool) { return "", false }

func TestDefaultsAreDerived(t *testing.T) {
	c, err := parse([]byte("state_dir: /srv/cloud\nlisten: 10.0.0.1:8000\n"), none)
	if err != nil {
		t.Fatal(err)
	}
	if c.Database != "sqlite:/srv/cloud/gostack.db" || c.PublicURL != "http://127.0.0.1:8000" || c.Host == "" || strings.Contains(c.Host, "{") {
		t.Errorf("%+v", c)
	}
	if c.Keystone.TokenExpiration != time.Hour || c.Neutron.BridgeMappings[0] != "physnet1:br-ex" || len(c.Neutron.DNSServers) != 0 {
		t.Errorf("%+v", c)
	}
}

func TestEnvironmentWins(t *testing.T) {
	c, err := parse([]byte("keystone: {token_expiration: 2h}\n"), func(k string) (string, bool) {
		v, ok := map[string]string{"GOSTACK_KEYSTONE_TOKEN_EXPIRATION": "3h", "GOSTACK_NEUTRON_DNS_SERVERS": "9.9.9.9, 1.1.1.1"}[k]
		return v, ok
	})
	if err != nil || c.Keystone.TokenExpiration != 3*time.Hour || len(c.Neutron.DNSServers) != 2 {
		t.Errorf("%+v %v", c, err)
	}
}

func TestRefusals(t *testing.T) {
	for text, says := range map[string]string{
		"nova: {compute_drivr: x}":            "compute_drivr",
		"database: mysql://x":                 "database",
		"state_dir: relative":                 "state_dir",
		"tls_cert: /a":                        "tls_key",
		"public_url: nonsense":                "public_url",
		"nova: {compute_driver: fake}":        "compute_driver",
		"nova: {consoles: [rdp]}":             "nova.consoles",
		"nova: {pci: ['device={}']}":          "nova.pci",
		"keystone: {bcrypt_cost: 99}":         "bcrypt_cost",
		"neutron: {external_cidr: 1.2.3.4/x}": "external_cidr",
		"bus: kafka://x":                      "bus",
		"bus_admin: http://x":                 "bus_admin",
		"bus_key: /a":                         "bus_cert",
		"log_level: loud":                     "log_level",
		"listen: nowhere":                     "listen",
		"]":                                   "yaml",
	} {
		if _, err := parse([]byte(text), none); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestEveryKeyIsExplained(t *testing.T) {
	list := Default().Keys()
	if len(list) > 80 {
		t.Errorf("%d keys: more than an operator reads", len(list))
	}
	for _, k := range list {
		if k.Doc == "" || k.Name == "" {
			t.Errorf("%+v has no explanation", k)
		}
	}
	c, err := parse([]byte("database: postgres://u:hunter2@h/d\nbus: amqps://u:hunter2/@:x@h:5671,i:5671/v\nbus_admin: https://u:hunter2@h"), none)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range c.Keys() {
		if strings.Contains(k.Value(), "hunter2") {
			t.Errorf("shown: %s", k.Value())
		}
	}
}
