package hardware

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// PCISpec says which devices of a host guests may have, and what is said of these (upstream's [pci] device_spec).
type PCISpec struct {
	vendor, product string // "" is any
	devname         string
	address         [4]func(part string) bool // domain, bus, slot, function
	whole           string                    // the address, when it is of one device
	tags            map[string]string
}

// pciMost are the largest values of an address's parts.
var pciMost = [4]uint64{0xffff, 0xff, 0x1f, 7}

// ParsePCISpecs reads specs, each a JSON object as upstream's configuration has them, or a list of such objects (nova/pci/devspec.py).
func ParsePCISpecs(texts []string) (specs []PCISpec, err error) {
	for _, text := range texts {
		var list []map[string]any
		if strings.HasPrefix(strings.TrimSpace(text), "{") {
			text = "[" + text + "]"
		}
		d := json.NewDecoder(bytes.NewReader([]byte(text)))
		if err := d.Decode(&list); err != nil {
			return nil, invalidSpec("%w", err)
		}
		for _, fields := range list {
			s, err := pciSpec(fields)
			if err != nil {
				return nil, err
			}
			specs = append(specs, s)
		}
	}
	return specs, nil
}

func invalidSpec(format string, args ...any) error {
	return fmt.Errorf("Invalid [pci]device_spec config: "+format, args...) //nolint:staticcheck // upstream's sentence
}

func pciSpec(fields map[string]any) (s PCISpec, err error) {
	s.tags = map[string]string{}
	address := any("*:*:*.*")
	for key, value := range fields {
		text, isText := value.(string)
		switch key {
		case "vendor_id", "product_id":
			id := strings.TrimSpace(text)
			if id == "*" {
				continue
			}
			n, err := strconv.ParseUint(id, 16, 16)
			if err != nil {
				return s, invalidSpec("property %s ('%s') does not parse as a hex number.", key, text)
			}
			if id = fmt.Sprintf("%04x", n); key == "vendor_id" {
				s.vendor = id
			} else {
				s.product = id
			}
		case "devname":
			s.devname = text
		case "address":
			address = value
		case "remote_managed":
			if isText && IsTrue(text) {
				return s, invalidSpec("devices that something else than their host manages (remote_managed) cannot be given to guests")
			}
		default:
			if value == nil {
				continue // as a physical network that there is not
			}
			if !isText {
				return s, invalidSpec("tag %s is not a text", key)
			}
			s.tags[key] = text
		}
	}
	if s.devname != "" && fields["address"] != nil {
		return s, errors.New("Invalid PCI Whitelist: The PCI whitelist can specify devname or address, but not both") //nolint:staticcheck // upstream's sentence
	}
	return s, s.readAddress(address)
}

// readAddress reads "domain:bus:slot.function" with stars and parts left out, or an object of regular expressions.
func (s *PCISpec) readAddress(value any) error {
	wrong := fmt.Errorf("The PCI address %v has an incorrect format.", value) //nolint:staticcheck // upstream's sentence
	switch address := value.(type) {
	case map[string]any:
		for i, name := range []string{"domain", "bus", "slot", "function"} {
			text, ok := address[name].(string)
			if !ok && address[name] != nil {
				return wrong
			}
			re, err := regexp.Compile("^(?:" + text + ")")
			if err != nil {
				return wrong
			}
			s.address[i] = re.MatchString
		}
		return nil
	case string:
		front, function, _ := strings.Cut(address, ".")
		parts := strings.Split(front, ":")
		if len(parts) > 3 {
			return wrong
		}
		for len(parts) < 3 {
			parts = append([]string{"*"}, parts...)
		}
		single := true
		var exact [4]uint64
		for i, part := range append(parts, function) {
			part = strings.TrimSpace(part)
			if part == "" || part == "*" {
				single, s.address[i] = false, func(string) bool { return true }
				continue
			}
			n, err := strconv.ParseUint(part, 16, 32)
			switch {
			case err != nil:
				return invalidSpec("property %s ('%s') does not parse as a hex number.", []string{"domain", "bus", "slot", "func"}[i], part)
			case n > pciMost[i]:
				return invalidSpec("property %s (%s) is greater than the maximum allowable value (%X).", []string{"domain", "bus", "slot", "func"}[i], part, pciMost[i])
			}
			exact[i] = n
			s.address[i] = func(of string) bool { m, err := strconv.ParseUint(of, 16, 32); return err == nil && m == n }
		}
		if single {
			s.whole = fmt.Sprintf("%04x:%02x:%02x.%x", exact[0], exact[1], exact[2], exact[3])
		}
		return nil
	}
	return wrong
}

// PCIFound is a device as a host has it.
type PCIFound struct {
	PCIDevice
	Names []string // of its network devices
}

// OfferPCI are of a host's devices those that guests may have, with what the first spec that names each says of it. One that names a physical function by its
// address or its network device names its virtual functions too.
func OfferPCI(found []PCIFound, specs []PCISpec) (offered []PCIDevice) {
	byName := map[string]string{}
	for _, d := range found {
		for _, name := range d.Names {
			byName[name] = d.Address
		}
	}
	for _, d := range found {
		i := slices.IndexFunc(specs, func(s PCISpec) bool { return s.names(d.PCIDevice, byName) })
		if i < 0 {
			continue
		}
		if len(specs[i].tags) > 0 {
			d.Tags = specs[i].tags
		}
		offered = append(offered, d.PCIDevice)
	}
	return offered
}

func (s *PCISpec) names(d PCIDevice, byName map[string]string) bool {
	if s.vendor != "" && s.vendor != d.Vendor || s.product != "" && s.product != d.Product {
		return false
	}
	if s.devname != "" {
		at, there := byName[s.devname]
		return there && (at == d.Address || at == d.Parent)
	}
	if s.whole != "" && s.whole == d.Parent {
		return true
	}
	front, function, _ := strings.Cut(d.Address, ".")
	parts := append(strings.Split(front, ":"), function)
	if len(parts) != len(s.address) {
		return false
	}
	for i, part := range parts {
		if !s.address[i](part) {
			return false
		}
	}
	return true
}
