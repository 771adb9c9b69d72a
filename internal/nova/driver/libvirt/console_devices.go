package libvirt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"libvirt.org/go/libvirtxml"

	"gostack/internal/nova/driver"
)

// serialPath is the socket of a server's serial port, of which the first is its serial console.
func (d *Driver) serialPath(id string, port int) string {
	if port > 0 {
		id = fmt.Sprintf("%s-%d", id, port)
	}
	return filepath.Join(d.SerialDir, id+".sock")
}

// serialPaths are the sockets of all the serial ports that a server can have.
func (d *Driver) serialPaths(id string) (paths []string) {
	for port := range maxSerials {
		paths = append(paths, d.serialPath(id, port))
	}
	return paths
}

// maxSerials is how many serial ports QEMU can give a guest (upstream's ALLOWED_QEMU_SERIAL_PORTS).
const maxSerials = 4

// serials are a server's serial ports: as many as flavor and image want where somebody can talk to them, else the one for the log
// (nova/virt/libvirt/driver.py, _create_consoles_qemu_kvm). The log has what the guest writes to the first.
func (d *Driver) serials(spec driver.GuestSpec) ([]libvirtxml.DomainSerial, error) {
	count := 1
	if d.Serial {
		var err error
		if count, err = driver.WishOf(spec.Flavor, spec.Image).SerialPorts(); err != nil {
			return nil, driver.Refuse(driver.CodeUnsupported, "%s", err.Error())
		}
		if count > maxSerials {
			return nil, driver.Refuse(driver.CodeUnsupported, "Maximum number of serial port exceeds %d for %s", maxSerials, "qemu")
		}
	}
	all := make([]libvirtxml.DomainSerial, count)
	for i := range all {
		port := uint(i)
		all[i] = libvirtxml.DomainSerial{Source: d.serialSource(spec.ID, i), Target: &libvirtxml.DomainSerialTarget{Port: &port}}
	}
	// Appending, so that the log can be trimmed under a running server.
	all[0].Log = &libvirtxml.DomainChardevLog{File: d.consolePath(spec.ID), Append: "on"}
	return all, nil
}

// serialDir makes the directory of the sockets. libvirtd binds them and hands them to QEMU; nobody but root may connect. What is above it
// others must get through: QEMU's user has sockets beside.
func (d *Driver) serialDir() error {
	if err := os.MkdirAll(filepath.Dir(d.SerialDir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(d.SerialDir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// serialSource is the other end of a server's serial port: one who talks to it, or none but the log, which virtlogd keeps in either case
// (nova/virt/libvirt/driver.py, _create_consoles). Upstream has a TCP port for it that every process of the host can connect to.
func (d *Driver) serialSource(id string, port int) *libvirtxml.DomainChardevSource {
	if d.Serial {
		return &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "bind", Path: d.serialPath(id, port)}}
	}
	return &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}}
}

// serialOf is the socket of the first serial port in a definition; empty when nobody can talk to it.
func (d *Driver) serialOf(def *libvirtxml.Domain) string {
	if def.Devices == nil {
		return ""
	}
	for _, s := range def.Devices.Serials {
		if s.Source != nil && s.Source.UNIX != nil && filepath.Dir(s.Source.UNIX.Path) == d.SerialDir {
			return s.Source.UNIX.Path
		}
	}
	return ""
}

// graphics gives a server its screens.
func (d *Driver) graphics(l *libvirtxml.DomainDeviceList) {
	listen := []libvirtxml.DomainGraphicListener{{Address: &libvirtxml.DomainGraphicListenerAddress{Address: d.VNCListen}}}
	l.Graphics = []libvirtxml.DomainGraphic{{VNC: &libvirtxml.DomainGraphicVNC{Port: -1, AutoPort: "yes", Listen: d.VNCListen, Listeners: listen}}}
	if !d.Spice {
		return
	}
	l.Graphics = append(l.Graphics, libvirtxml.DomainGraphic{Spice: &libvirtxml.DomainGraphicSpice{Port: -1, AutoPort: "yes", Listen: d.VNCListen, Listeners: listen}})
	l.Channels = append(l.Channels, libvirtxml.DomainChannel{
		Source: &libvirtxml.DomainChardevSource{SpiceVMC: &libvirtxml.DomainChardevSourceSpiceVMC{}},
		Target: &libvirtxml.DomainChannelTarget{VirtIO: &libvirtxml.DomainChannelTargetVirtIO{Name: "com.redhat.spice.0"}},
	})
}

// relocateConsoles makes a definition one of the destination: where its consoles listen.
func relocateConsoles(def *libvirtxml.Domain, serialDir string, target driver.LiveTarget) {
	if def.Devices == nil {
		return
	}
	move := func(s *libvirtxml.DomainChardevSource) {
		if s != nil && s.UNIX != nil && filepath.Dir(s.UNIX.Path) == serialDir && target.SerialDir != "" {
			s.UNIX.Path = filepath.Join(target.SerialDir, filepath.Base(s.UNIX.Path))
		}
	}
	for i := range def.Devices.Serials {
		move(def.Devices.Serials[i].Source)
	}
	for i := range def.Devices.Consoles {
		move(def.Devices.Consoles[i].Source)
	}
	if target.VNCListen == "" {
		return
	}
	listen := func(at *string, listeners []libvirtxml.DomainGraphicListener) {
		*at = target.VNCListen
		for j := range listeners {
			if listeners[j].Address != nil {
				listeners[j].Address.Address = target.VNCListen
			}
		}
	}
	for i := range def.Devices.Graphics {
		if v := def.Devices.Graphics[i].VNC; v != nil {
			listen(&v.Listen, v.Listeners)
		}
		if s := def.Devices.Graphics[i].Spice; s != nil {
			listen(&s.Listen, s.Listeners)
		}
	}
}
