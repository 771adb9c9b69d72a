package app

import (
	"gostack/internal/cloudca"
	"gostack/internal/hostlink"
	"gostack/internal/hosts"
	"gostack/internal/nova/imagelink"
)

// openControlLink makes the control side's end of streams, and who knows the hosts. host says that this process is a host too.
func (h *House) openControlLink(host bool) {
	h.Hosts = &hosts.Service{DB: h.DB, Region: h.Config.Region, Clock: h.Clock, Log: h.Log}
	self := cloudca.Identity{Control: true}
	if host {
		self.Host = h.Config.Host
	}
	if h.Link == nil {
		h.Link = hostlink.New(hostlink.Options{Self: self, Clock: h.Clock, Log: h.Log})
	}
}

// openHostLink makes the end of streams of a process that is a host and not control.
func (h *House) openHostLink() error {
	if h.Link == nil {
		h.Link = hostlink.New(hostlink.Options{Self: cloudca.Identity{Host: h.Config.Host}, Control: h.Config.Control, Clock: h.Clock, Log: h.Log})
	}
	return nil
}

// serveImages gives hosts the data of images, for tickets.
func (h *House) serveImages() { imagelink.Serve(h.Link, h.Hosts.Roots, h.Clock.Now, h.Glance.Data) }
