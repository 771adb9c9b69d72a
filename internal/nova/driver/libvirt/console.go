package libvirt

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// consoleRead bounds what ConsoleLog answers (upstream's MAX_CONSOLE_BYTES).
const consoleRead = 100 << 10

// ConsoleLog answers the end of the serial console's log.
func (d *Driver) ConsoleLog(ctx context.Context, id string, lines int) ([]byte, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	text, err := tailFile(d.consolePath(id), consoleRead)
	if errors.Is(err, os.ErrNotExist) {
		if _, err := d.lookup(ctx, id); err != nil {
			return nil, err
		}
		return nil, nil // not started yet
	}
	if err != nil {
		return nil, err
	}
	if len(text) < consoleRead {
		older, err := tailFile(d.consolePath(id)+".0", consoleRead-len(text))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		text = append(older, text...)
	}
	return lastLines(text, lines), nil
}

func tailFile(path string, n int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	text := make([]byte, min(int64(n), fi.Size()))
	read, err := f.ReadAt(text, fi.Size()-int64(len(text)))
	if errors.Is(err, io.EOF) {
		err = nil // trimmed meanwhile
	}
	return text[:read], err
}

// lastLines answers the last n lines, all when n < 0. What follows the last line feed counts as a line, be it empty, as upstream counts
// (ComputeManager._tail_log); clients ask for one more for that reason.
func lastLines(text []byte, n int) []byte {
	if n < 0 {
		return text
	}
	at := len(text)
	for ; n > 0; n-- {
		if at = bytes.LastIndexByte(text[:at], '\n'); at < 0 {
			return text
		}
	}
	return text[min(at+1, len(text)):]
}

// Console answers where a console of the running domain listens.
func (d *Driver) Console(ctx context.Context, id string, kind driver.ConsoleKind) (driver.ConsoleAddress, error) {
	none := driver.ConsoleAddress{Kind: kind}
	switch {
	case kind == driver.ConsoleVNC, kind == driver.ConsoleSPICE && d.Spice, kind == driver.ConsoleSerial && d.Serial:
	default:
		return none, driver.Refuse(driver.CodeUnsupported, "console type %s is not available", kind)
	}
	dom, err := d.lookup(ctx, id)
	if err != nil {
		return none, err
	}
	state, err := d.stateOf(ctx, dom)
	if err != nil {
		return none, err
	}
	def, err := d.definition(ctx, dom, 0)
	if err != nil {
		return none, err
	}
	if state.PowerState != driver.Running && state.PowerState != driver.Paused {
		return none, driver.Refuse(driver.CodeBadState, "Instance %s is not running.", id)
	}
	if kind == driver.ConsoleSerial {
		if path := d.serialOf(def); path != "" {
			return driver.ConsoleAddress{Kind: kind, Host: d.HostIP, Path: path}, nil
		}
	} else if def.Devices != nil {
		for _, g := range def.Devices.Graphics {
			host, port := "", 0
			switch {
			case g.VNC != nil && kind == driver.ConsoleVNC:
				host, port = g.VNC.Listen, g.VNC.Port
			case g.Spice != nil && kind == driver.ConsoleSPICE:
				host, port = g.Spice.Listen, g.Spice.Port
			}
			if host == "" || host == "0.0.0.0" || host == "::" {
				host = d.HostIP
			}
			if port > 0 {
				return driver.ConsoleAddress{Kind: kind, Host: host, Port: port}, nil
			}
		}
	}
	// It was started before its host had this kind of console.
	return none, driver.Refuse(driver.CodeUnsupported, "console type %s is not available for instance %s", kind, id)
}

// definition reads a domain's XML.
func (d *Driver) definition(ctx context.Context, dom rpc.Domain, flags rpc.DomainXMLFlags) (*libvirtxml.Domain, error) {
	text, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (string, error) { return l.DomainGetXMLDesc(dom, flags) })
	if libvirt.Is(err, rpc.ErrNoDomain) {
		return nil, &driver.Fault{Code: driver.CodeNotFound, Message: "Instance " + libvirt.UUIDString(dom.UUID) + " could not be found.", Cause: err}
	}
	if err != nil {
		return nil, err
	}
	def := &libvirtxml.Domain{}
	return def, def.Unmarshal(text)
}
