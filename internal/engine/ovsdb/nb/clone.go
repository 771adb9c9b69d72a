package nb

import (
	"github.com/ovn-kubernetes/libovsdb/model"

	"gostack/internal/engine/ovsdb"
)

// CloneModel implements model.CloneableModel.
func (r *Global) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *Global) CloneModelInto(m model.Model) { *m.(*Global) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *Global) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*Global)) }

// CloneModel implements model.CloneableModel.
func (r *LogicalSwitch) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *LogicalSwitch) CloneModelInto(m model.Model) { *m.(*LogicalSwitch) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *LogicalSwitch) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*LogicalSwitch)) }

// CloneModel implements model.CloneableModel.
func (r *LogicalSwitchPort) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *LogicalSwitchPort) CloneModelInto(m model.Model) { *m.(*LogicalSwitchPort) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *LogicalSwitchPort) EqualsModel(m model.Model) bool {
	return ovsdb.Equal(r, m.(*LogicalSwitchPort))
}

// CloneModel implements model.CloneableModel.
func (r *PortGroup) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *PortGroup) CloneModelInto(m model.Model) { *m.(*PortGroup) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *PortGroup) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*PortGroup)) }

// CloneModel implements model.CloneableModel.
func (r *AddressSet) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *AddressSet) CloneModelInto(m model.Model) { *m.(*AddressSet) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *AddressSet) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*AddressSet)) }

// CloneModel implements model.CloneableModel.
func (r *ACL) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *ACL) CloneModelInto(m model.Model) { *m.(*ACL) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *ACL) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*ACL)) }

// CloneModel implements model.CloneableModel.
func (r *LogicalRouter) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *LogicalRouter) CloneModelInto(m model.Model) { *m.(*LogicalRouter) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *LogicalRouter) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*LogicalRouter)) }

// CloneModel implements model.CloneableModel.
func (r *LogicalRouterPort) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *LogicalRouterPort) CloneModelInto(m model.Model) { *m.(*LogicalRouterPort) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *LogicalRouterPort) EqualsModel(m model.Model) bool {
	return ovsdb.Equal(r, m.(*LogicalRouterPort))
}

// CloneModel implements model.CloneableModel.
func (r *StaticRoute) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *StaticRoute) CloneModelInto(m model.Model) { *m.(*StaticRoute) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *StaticRoute) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*StaticRoute)) }

// CloneModel implements model.CloneableModel.
func (r *BFD) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *BFD) CloneModelInto(m model.Model) { *m.(*BFD) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *BFD) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*BFD)) }

// CloneModel implements model.CloneableModel.
func (r *NAT) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *NAT) CloneModelInto(m model.Model) { *m.(*NAT) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *NAT) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*NAT)) }

// CloneModel implements model.CloneableModel.
func (r *DHCPOptions) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *DHCPOptions) CloneModelInto(m model.Model) { *m.(*DHCPOptions) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *DHCPOptions) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*DHCPOptions)) }

// CloneModel implements model.CloneableModel.
func (r *GatewayChassis) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *GatewayChassis) CloneModelInto(m model.Model) { *m.(*GatewayChassis) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *GatewayChassis) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*GatewayChassis)) }

// CloneModel implements model.CloneableModel.
func (r *QoS) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *QoS) CloneModelInto(m model.Model) { *m.(*QoS) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *QoS) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*QoS)) }

// CloneModel implements model.CloneableModel.
func (r *LoadBalancer) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *LoadBalancer) CloneModelInto(m model.Model) { *m.(*LoadBalancer) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *LoadBalancer) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*LoadBalancer)) }

// CloneModel implements model.CloneableModel.
func (r *DNS) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *DNS) CloneModelInto(m model.Model) { *m.(*DNS) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *DNS) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*DNS)) }

// CloneModel implements model.CloneableModel.
func (r *Meter) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *Meter) CloneModelInto(m model.Model) { *m.(*Meter) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *Meter) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*Meter)) }

// CloneModel implements model.CloneableModel.
func (r *MeterBand) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *MeterBand) CloneModelInto(m model.Model) { *m.(*MeterBand) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *MeterBand) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*MeterBand)) }
