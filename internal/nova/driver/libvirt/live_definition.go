package libvirt

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What a definition consists of: our own elements (domain.go) and those that libvirt adds.
var (
	rootParts = strings.Fields(`name uuid title description metadata memory currentMemory memoryBacking cputune numatune vcpu resource sysinfo os features cpu clock on_poweroff on_reboot
		on_crash on_lockfailure pm devices seclabel`)
	osParts     = strings.Fields("type loader nvram boot bootmenu smbios bios firmware kernel initrd cmdline")
	deviceParts = strings.Fields("emulator disk controller interface serial console channel input graphics video audio rng memballoon watchdog panic")
	nicParts    = strings.Fields("mac source virtualport target model driver mtu alias address link rom boot bandwidth")
)

var (
	ptyPath   = regexp.MustCompile(`^/dev/pts/[0-9]+$`)
	agentPath = regexp.MustCompile(`^/(?:var/lib|run)/libvirt/qemu/channel/(?:target/)?domain-[0-9]+-([^/]+)/org\.qemu\.guest_agent\.0$`)
	firmwares = []string{"/usr/share/OVMF/", "/usr/share/qemu/", "/usr/share/edk2/"}
)

// definition walks through a definition.
func (n *newcomer) definition(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	w := definitionWalk{newcomer: n}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return w.done()
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.Directive:
			return errors.New("it has a directive")
		case xml.ProcInst:
			if t.Target != "xml" {
				return errors.New("it has an instruction")
			}
		case xml.StartElement:
			if len(w.path) == 2 && w.path[1] == "metadata" {
				if err := d.Skip(); err != nil { // ours, and read by us alone
					return err
				}
				continue
			}
			w.path = append(w.path, t.Name.Local)
			if err := w.element(t); err != nil {
				return fmt.Errorf("%s: %w", strings.Join(w.path, "/"), err)
			}
			w.text = w.text[:0]
		case xml.CharData:
			w.text = append(w.text, t...)
		case xml.EndElement:
			if err := w.end(); err != nil {
				return fmt.Errorf("%s: %w", strings.Join(w.path, "/"), err)
			}
			w.path, w.text = w.path[:len(w.path)-1], w.text[:0]
		}
	}
}

// definitionWalk is where the walk is.
type definitionWalk struct {
	*newcomer
	path []string
	text []byte
	seen struct{ name, uuid, memory, vcpu bool }
	disk struct {
		file, format, device string
		backed               bool
	}
	nic struct{ bridge, port, mac string }
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

var errNotOurs = errors.New("it is nothing that a server has")

// element looks at the beginning of an element.
func (w *definitionWalk) element(e xml.StartElement) error {
	if e.Name.Space != "" {
		return errNotOurs // qemu:commandline and the like
	}
	at := func(path ...string) bool { return slices.Equal(w.path, path) }
	device := ""
	if len(w.path) > 2 && w.path[1] == "devices" {
		device = w.path[2]
	}
	switch {
	case len(w.path) == 1:
		if e.Name.Local != "domain" || attribute(e, "type") != w.virt {
			return fmt.Errorf("it is a %s of type %q", e.Name.Local, attribute(e, "type"))
		}
	case len(w.path) == 2 && !slices.Contains(rootParts, e.Name.Local), len(w.path) == 3 && w.path[1] == "os" && !slices.Contains(osParts, e.Name.Local),
		len(w.path) == 3 && device != "" && !slices.Contains(deviceParts, device), len(w.path) == 4 && device == "interface" && !slices.Contains(nicParts, e.Name.Local):
		return errNotOurs
	case (at("domain", "memory") || at("domain", "currentMemory")) && attribute(e, "unit") != "KiB": // as libvirt writes it
		return fmt.Errorf("it is in %q", attribute(e, "unit"))
	case len(w.path) == 3 && w.path[1] == "memoryBacking" && !slices.Contains([]string{"hugepages", "locked", "nosharepages"}, e.Name.Local):
		return errNotOurs
	case len(w.path) == 3 && (w.path[1] == "cputune" || w.path[1] == "numatune"), at("domain", "vcpu"):
		if err := w.placed(e); err != nil {
			return err
		}
	case at("domain", "sysinfo") && attribute(e, "type") != "smbios", at("domain", "seclabel") && attribute(e, "type") != "dynamic" && attribute(e, "model") != "none",
		e.Name.Local == "baselabel", len(w.path) > 2 && e.Name.Local == "seclabel" && attribute(e, "relabel") != "no":
		return errors.New("it is not as servers have it")
	}
	for _, a := range e.Attr {
		if err := w.allowed(device, a.Name.Local, a.Value); err != nil {
			return err
		}
	}
	switch device {
	case "disk":
		return w.diskPart(e)
	case "interface":
		return w.nicPart(e)
	case "serial", "console", "channel":
		if kind := attribute(e, "type"); len(w.path) == 3 && kind != "pty" && kind != "unix" && (device != "channel" || kind != "spicevmc") {
			return fmt.Errorf("it is a %q", kind)
		}
	case "graphics":
		switch {
		case len(w.path) == 3 && attribute(e, "type") != "vnc" && attribute(e, "type") != "spice", e.Name.Local == "listen" && attribute(e, "type") != "address":
			return errNotOurs
		case len(w.path) == 3 && attribute(e, "listen") != "" && attribute(e, "listen") != w.listen, e.Name.Local == "listen" && attribute(e, "address") != w.listen:
			return fmt.Errorf("it listens elsewhere than on %s", w.listen)
		}
	case "audio":
		if kind := attribute(e, "type"); kind != "none" && kind != "spice" && len(w.path) == 3 {
			return errNotOurs
		}
	case "rng":
		if e.Name.Local == "backend" && attribute(e, "model") != "random" {
			return errNotOurs
		}
	case "input":
		if !slices.Contains([]string{"tablet", "mouse", "keyboard"}, attribute(e, "type")) && len(w.path) == 3 {
			return errNotOurs
		}
	}
	return nil
}

// allowed looks at a value: a path must be one that this server has.
func (w *definitionWalk) allowed(device, name, value string) error {
	switch {
	case !strings.HasPrefix(value, "/"):
		return nil
	case filepath.Clean(value) != value:
	case device == "disk" && name == "file":
		return nil // diskPart sees to it
	case device == "serial" || device == "console":
		if ptyPath.MatchString(value) || name == "file" && w.consoleOf(value) || slices.Contains(w.serial, value) {
			return nil
		}
	case device == "channel":
		if m := agentPath.FindStringSubmatch(value); m != nil && len(m[1]) >= 16 && strings.HasPrefix(w.name, m[1]) {
			return nil
		}
	case slices.Equal(w.path, []string{"domain", "os", "nvram"}) && name == "template":
		if slices.ContainsFunc(firmwares, func(dir string) bool { return strings.HasPrefix(value, dir) }) {
			return nil
		}
	}
	return fmt.Errorf("%s %q is not the server's", name, value)
}

// consoleOf says whether a path is the server's console log.
func (w *definitionWalk) consoleOf(path string) bool {
	for disk := range w.disks {
		return path == filepath.Join(filepath.Dir(disk), consoleFile)
	}
	return false
}

// diskPart looks at a part of a disk: a file of the server's own in the format that we make it in, on its own image.
func (w *definitionWalk) diskPart(e xml.StartElement) error {
	deep := slices.Contains(w.path[3:], "backingStore")
	switch {
	case len(w.path) == 3:
		w.disk.file, w.disk.format, w.disk.backed, w.disk.device = "", "", false, attribute(e, "device")
		if attribute(e, "type") != "file" {
			return fmt.Errorf("it is a %s of type %s", attribute(e, "device"), attribute(e, "type"))
		}
	case e.Name.Local == "backingStore":
		w.disk.backed = true
		if kind := attribute(e, "type"); kind != "" && kind != "file" {
			return fmt.Errorf("it is of type %s", kind)
		}
	case e.Name.Local == "source" && deep:
		if !slices.Contains(w.bases, attribute(e, "file")) {
			return fmt.Errorf("file %q is not the server's image", attribute(e, "file"))
		}
	case len(w.path) == 4 && e.Name.Local == "source":
		w.disk.file = attribute(e, "file")
		if _, ok := w.disks[w.disk.file]; !ok {
			return fmt.Errorf("file %q is not a disk of the server", w.disk.file)
		}
	case len(w.path) == 4 && e.Name.Local == "driver":
		w.disk.format = attribute(e, "type")
	case e.Name.Local == "format" && deep && attribute(e, "type") != "raw":
		return fmt.Errorf("an image of format %s", attribute(e, "type"))
	case slices.Contains([]string{"mirror", "auth", "encryption", "reservations", "dataStore", "slices"}, e.Name.Local):
		return errNotOurs
	}
	return nil
}

// nicPart looks at a part of a network card: one of the server's ports on the bridge that it belongs to.
func (w *definitionWalk) nicPart(e xml.StartElement) error {
	if len(w.path) == 3 {
		w.nic.bridge, w.nic.port, w.nic.mac = "", "", ""
		if attribute(e, "type") != "bridge" {
			return fmt.Errorf("it is of type %s", attribute(e, "type"))
		}
		return nil
	}
	switch e.Name.Local {
	case "source":
		w.nic.bridge = attribute(e, "bridge")
	case "mac":
		w.nic.mac = attribute(e, "address")
	case "target":
		if dev := attribute(e, "dev"); dev != "" && !strings.HasPrefix(dev, "tap") && !strings.HasPrefix(dev, "vnet") {
			return fmt.Errorf("device %q", dev)
		}
	case "virtualport":
		if attribute(e, "type") != "openvswitch" {
			return errNotOurs
		}
	case "parameters":
		w.nic.port = attribute(e, "interfaceid")
	}
	return nil
}

// end looks at an element that is whole.
func (w *definitionWalk) end() error {
	text := strings.TrimSpace(string(w.text))
	number := func(most int) error {
		if n, err := strconv.Atoi(text); err != nil || n > most || n < 1 {
			return fmt.Errorf("%q is more than the server has", text)
		}
		return nil
	}
	switch strings.Join(w.path, "/") {
	case "domain/name":
		w.seen.name = true
		if text != w.name {
			return fmt.Errorf("it is %q", text)
		}
	case "domain/uuid":
		w.seen.uuid = true
		if text != w.id {
			return fmt.Errorf("it is %q", text)
		}
	case "domain/memory":
		w.seen.memory = true
		return number(w.memoryKiB)
	case "domain/vcpu":
		w.seen.vcpu = true
		return number(w.vcpus)
	case "domain/cputune/shares", "domain/cputune/period", "domain/cputune/quota":
		if want := w.limits[w.path[2]]; text != want {
			return fmt.Errorf("it is %q where the server has %q", text, want)
		}
	case "domain/os/kernel", "domain/os/initrd":
		if !slices.Contains(w.boots, text) {
			return fmt.Errorf("%q is not the server's", text)
		}
	case "domain/os/loader":
		if text != "" && !slices.ContainsFunc(firmwares, func(dir string) bool { return strings.HasPrefix(text, dir) && filepath.Clean(text) == text }) {
			return fmt.Errorf("%q is no firmware", text)
		}
	case "domain/os/nvram":
		if text != "" && !slices.Contains(w.variables, text) {
			return fmt.Errorf("%q is not the server's", text)
		}
	case "domain/devices/emulator":
		if text != w.emulator {
			return fmt.Errorf("it is %q", text)
		}
	case "domain/devices/rng/backend":
		if text != "/dev/urandom" {
			return fmt.Errorf("it is %q", text)
		}
	case "domain/resource/partition":
		if text != "/machine" {
			return fmt.Errorf("it is %q", text)
		}
	case "domain/devices/disk":
		if w.disk.device != cmp.Or(w.kinds[w.disk.file], "disk") {
			return fmt.Errorf("%q is a %s", w.disk.file, w.disk.device)
		}
		if w.disk.file == "" || w.disks[w.disk.file] != w.disk.format || w.disk.format != "raw" && !w.disk.backed {
			return fmt.Errorf("disk %q has format %q, and what it stands on is said: %t", w.disk.file, w.disk.format, w.disk.backed)
		}
	case "domain/devices/interface":
		nic, ok := w.nics[w.nic.port]
		if !ok || w.nic.bridge != nic.Bridge || !strings.EqualFold(w.nic.mac, nic.MAC) {
			return fmt.Errorf("port %q with address %s on bridge %q is not the server's", w.nic.port, w.nic.mac, w.nic.bridge)
		}
	case "domain/os/cmdline", "domain/title", "domain/description":
	default:
		if strings.HasPrefix(text, "/") {
			return fmt.Errorf("%q is not the server's", text)
		}
	}
	return nil
}

// done wants what each definition has.
func (w *definitionWalk) done() error {
	if s := w.seen; !s.name || !s.uuid || !s.memory || !s.vcpu {
		return errors.New("it is not whole")
	}
	return nil
}
