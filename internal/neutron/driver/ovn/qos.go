package ovn

import (
	"fmt"
	"strconv"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// Priorities of QoS rules, as in ML2/OVN: a floating IP's come before its router's.
const (
	qosPlace    = 2002
	qosFloating = 2003
)

// qosRules adds the rules (meters and marks) of one place on a switch: match is what tells its traffic, by direction. They are no part of
// the switch's own plan, so the switch has to be there.
func qosRules(p *plan, networkID, what string, priority int, q driver.QoSSpec, egress, ingress string) {
	before := len(p.rows)
	add := func(direction, match string, rate driver.Rate, mark bool) {
		row := &nb.QoS{UUID: rowID("qos", networkID, what, direction), Priority: priority, Direction: direction, Match: match}
		if rate.Kbps > 0 {
			row.Bandwidth = map[string]int{"rate": int(rate.Kbps)}
			if rate.Burst > 0 {
				row.Bandwidth["burst"] = int(rate.Burst)
			}
		}
		if mark {
			row.Action = map[string]int{"dscp": q.DSCP}
		}
		if len(row.Bandwidth)+len(row.Action) > 0 {
			p.add(row, networkID)
		}
	}
	add("from-lport", egress, q.Egress, q.Mark)
	add("to-lport", ingress, q.Ingress, false)
	if len(p.rows) > before {
		p.guards = append(p.guards, ovsdb.MustExist("Logical_Switch", networkID, "name", switchName(networkID)))
	}
}

// portQoS are the rules of a switch port. What a physical network guarantees is left to the host's queues (ovn-nb(5), qos_min_rate).
func portQoS(p *plan, lsp *nb.LogicalSwitchPort, s driver.PortSpec) {
	qosRules(p, s.NetworkID, s.ID, qosPlace, s.QoS, fmt.Sprintf("inport == %q", s.ID), fmt.Sprintf("outport == %q", s.ID))
	if s.Physical && s.QoS.MinEgressKbps > 0 {
		lsp.Options["qos_min_rate"] = strconv.FormatInt(s.QoS.MinEgressKbps*1000, 10)
	}
}

// gatewayQoS are the rules of a router's gateway port.
func gatewayQoS(p *plan, g *driver.RouterGateway) {
	qosRules(p, g.NetworkID, g.PortID, qosPlace, g.QoS, fmt.Sprintf("inport == %q", g.PortID), fmt.Sprintf("outport == %q", g.PortID))
}

// floatingQoS are the rules of a floating IP, where it is translated: on the host of its port when it is distributed.
func floatingQoS(p *plan, g *driver.RouterGateway, f driver.FloatingIPSpec, distributed bool) {
	resident := "cr-" + routerPortName(g.PortID)
	if distributed {
		resident = f.PortID
	}
	match := func(port, side string) string {
		return fmt.Sprintf("%s == %q && ip4.%s == %s && is_chassis_resident(%q)", port, g.PortID, side, f.External, resident)
	}
	qosRules(p, g.NetworkID, f.ID, qosFloating, f.QoS, match("inport", "src"), match("outport", "dst"))
}
