package sb

import (
	"github.com/ovn-kubernetes/libovsdb/model"

	"gostack/internal/engine/ovsdb"
)

// CloneModel implements model.CloneableModel.
func (r *PortBinding) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *PortBinding) CloneModelInto(m model.Model) { *m.(*PortBinding) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *PortBinding) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*PortBinding)) }

// CloneModel implements model.CloneableModel.
func (r *Chassis) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *Chassis) CloneModelInto(m model.Model) { *m.(*Chassis) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *Chassis) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*Chassis)) }

// CloneModel implements model.CloneableModel.
func (r *ChassisPrivate) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *ChassisPrivate) CloneModelInto(m model.Model) { *m.(*ChassisPrivate) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *ChassisPrivate) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*ChassisPrivate)) }

// CloneModel implements model.CloneableModel.
func (r *Encap) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *Encap) CloneModelInto(m model.Model) { *m.(*Encap) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *Encap) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*Encap)) }

// CloneModel implements model.CloneableModel.
func (r *DatapathBinding) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *DatapathBinding) CloneModelInto(m model.Model) { *m.(*DatapathBinding) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *DatapathBinding) EqualsModel(m model.Model) bool {
	return ovsdb.Equal(r, m.(*DatapathBinding))
}

// CloneModel implements model.CloneableModel.
func (r *Global) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *Global) CloneModelInto(m model.Model) { *m.(*Global) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *Global) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*Global)) }
