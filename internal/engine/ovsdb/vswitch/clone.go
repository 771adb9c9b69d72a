package vswitch

import (
	"github.com/ovn-kubernetes/libovsdb/model"

	"gostack/internal/engine/ovsdb"
)

// CloneModel implements model.CloneableModel.
func (r *OpenvSwitch) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *OpenvSwitch) CloneModelInto(m model.Model) { *m.(*OpenvSwitch) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *OpenvSwitch) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*OpenvSwitch)) }

// CloneModel implements model.CloneableModel.
func (r *Bridge) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *Bridge) CloneModelInto(m model.Model) { *m.(*Bridge) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *Bridge) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*Bridge)) }

// CloneModel implements model.CloneableModel.
func (r *Port) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *Port) CloneModelInto(m model.Model) { *m.(*Port) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *Port) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*Port)) }

// CloneModel implements model.CloneableModel.
func (r *Interface) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *Interface) CloneModelInto(m model.Model) { *m.(*Interface) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *Interface) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*Interface)) }

// CloneModel implements model.CloneableModel.
func (r *Datapath) CloneModel() model.Model { return ovsdb.Clone(r) }

// CloneModelInto implements model.CloneableModel.
func (r *Datapath) CloneModelInto(m model.Model) { *m.(*Datapath) = *ovsdb.Clone(r) }

// EqualsModel implements model.ComparableModel.
func (r *Datapath) EqualsModel(m model.Model) bool { return ovsdb.Equal(r, m.(*Datapath)) }
