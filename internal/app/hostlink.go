package app

import (
	"gostack/internal/hostlink"
)

// openLink makes this process's end of streams. Components add what they serve when they are built.
func (h *House) openLink(control, host bool) {
	if h.Link != nil {
		return
	}
	o := hostlink.Options{Control: h.Config.Control, Clock: h.Clock, Log: h.Log}
	o.Self.Control = control
	if host {
		o.Self.Host = h.Config.Host
	}
	h.Link = hostlink.New(o)
}
