package gateways_test

import (
	"fmt"
	"slices"
	"testing"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/gateways"
)

func TestGatewaysStayWhereTheyAre(t *testing.T) {
	possible := []string{"h1", "h2", "h3", "h4", "h5", "h6"}
	got := gateways.Choose("p", []string{"h4", "gone", "h2"}, possible)
	if len(got) != gateways.Most || !slices.Equal(got[:2], []string{"h4", "h2"}) {
		t.Errorf("got %v", got)
	}
	if again := gateways.Choose("p", got, possible); !slices.Equal(again, got) {
		t.Errorf("moved from %v to %v", got, again)
	}
	first := map[string]bool{}
	for _, port := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		first[gateways.Choose(port, nil, possible)[0]] = true
	}
	if len(first) < 3 {
		t.Errorf("all gateways on %v", first)
	}
}

func TestOnlyMarkedHostsCarryGateways(t *testing.T) {
	all := []driver.Chassis{
		{Name: "h1", Bridges: map[string]string{"physnet1": "br-ex"}},
		{Name: "h2", Bridges: map[string]string{"physnet1": "br-ex"}, Gateway: true, Zones: []string{"east"}},
		{Name: "h3", Bridges: map[string]string{"physnet2": "br-x"}, Gateway: true},
	}
	for name, c := range map[string]struct {
		got  []string
		want string
	}{
		"marked":                    {gateways.Possible(all, "physnet1", nil), "[h2]"},
		"none is marked":            {gateways.Possible(all[:1], "physnet1", nil), "[h1]"},
		"tunnels end on all":        {gateways.Possible(all, "", nil), "[h2 h3]"},
		"in the zone":               {gateways.Possible(all, "", []string{"east"}), "[h2]"},
		"in no zone of their own":   {gateways.Possible(all, "", []string{driver.NoZone}), "[h3]"},
		"in another zone":           {gateways.Possible(all, "physnet1", []string{"west"}), "[]"},
		"of a network nobody knows": {gateways.Possible(all, "physnet3", nil), "[]"},
	} {
		if fmt.Sprint(c.got) != c.want {
			t.Errorf("%s: %v, want %s", name, c.got, c.want)
		}
	}
}

func at(chassis string, priority int) driver.GatewayHost {
	return driver.GatewayHost{Chassis: chassis, Priority: priority}
}

func TestWhatWasChosenCounts(t *testing.T) {
	now := gateways.Ranked([]string{"h1", "h2", "h3"})
	all := []string{"h1", "h2", "h3"}
	for name, c := range map[string]struct {
		now      []driver.GatewayHost
		possible []string
		chosen   []driver.GatewayHost
		want     string
	}{
		"nothing":                           {now, all, nil, "[{h1 3} {h2 2} {h3 1}]"},
		"the chosen and no others":          {now, all, []driver.GatewayHost{at("h2", 7), at("h3", 100)}, "[{h3 100} {h2 7}]"},
		"one of them is gone":               {now, []string{"h1", "h2"}, []driver.GatewayHost{at("h2", 7), at("h3", 100)}, "[{h2 7}]"},
		"all of them are gone":              {now, []string{"h1"}, []driver.GatewayHost{at("h2", 7), at("h3", 100)}, "[{h1 1}]"},
		"kept away":                         {now, all, []driver.GatewayHost{at("h1", -1), at("h2", 2), at("h3", 1)}, "[{h2 2} {h3 1}]"},
		"kept away from all":                {now, all[:1], []driver.GatewayHost{at("h1", -1)}, "[]"},
		"kept away, and no other was named": {now, all, []driver.GatewayHost{at("h1", -1)}, "[{h2 2} {h3 1}]"},
		"no host at all":                    {now, nil, nil, "[{h1 3} {h2 2} {h3 1}]"},
		"no host at all, and some chosen":   {nil, nil, []driver.GatewayHost{at("h1", -1), at("h2", 4)}, "[{h2 4}]"},
		"no host at all, and one kept away": {now, nil, []driver.GatewayHost{at("h1", -1)}, "[{h2 2} {h3 1}]"},
	} {
		if got := fmt.Sprint(gateways.Assign("p", c.now, c.possible, c.chosen)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// A router with hints has its gateway on hosts of those zones only.
func TestGatewaysStayInTheirZones(t *testing.T) {
	mapped := map[string]string{"physnet1": "br-ex"}
	all := []driver.Chassis{
		{Name: "e1", Gateway: true, Bridges: mapped, Zones: []string{"east", "both"}},
		{Name: "w1", Gateway: true, Bridges: mapped, Zones: []string{"west", "both"}},
		{Name: "none", Gateway: true, Bridges: mapped},
	}
	for hint, want := range map[string]int{"east": 1, "both": 2, driver.NoZone: 1, "north": 0} {
		if got := gateways.Possible(all, "physnet1", []string{hint}); len(got) != want {
			t.Errorf("%s: %v", hint, got)
		}
	}
	if got := gateways.Possible(all, "physnet1", nil); len(got) != 3 {
		t.Errorf("without hints: %v", got)
	}
}
