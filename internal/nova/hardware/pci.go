package hardware

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The kinds of PCI devices (nova/objects/fields.py, PciDeviceType).
const (
	PCIPlain = "type-PCI"
	PCIPF    = "type-PF" // a physical function, which virtual ones can be made of
	PCIVF    = "type-VF" // a virtual function
)

// The ways in which devices and a guest's NUMA cells belong together (hw:pci_numa_affinity_policy).
const (
	PCIRequired  = "required"  // in the guest's cells
	PCIPreferred = "preferred" // anywhere, better in the guest's cells
	PCILegacy    = "legacy"    // in the guest's cells, or nobody knows where
	PCISocket    = "socket"    // on the sockets of the guest's cells
)

var pciPolicies = []string{PCIRequired, PCIPreferred, PCILegacy, PCISocket}

// PCIDevice is a device of a host that guests may have for themselves.
type PCIDevice struct {
	Address string            `json:"address"` // "0000:81:00.1"
	Vendor  string            `json:"vendor_id"`
	Product string            `json:"product_id"`
	Type    string            `json:"dev_type"`
	Parent  string            `json:"parent_addr,omitempty"` // of a virtual function: the physical one
	Cell    *int              `json:"numa_node,omitempty"`   // nil is not known
	Tags    map[string]string `json:"tags,omitempty"`
}

func (d PCIDevice) tag(key string) string {
	switch key {
	case "vendor_id":
		return d.Vendor
	case "product_id":
		return d.Product
	case "dev_type":
		return d.Type
	}
	return d.Tags[key]
}

// PCIRequest is a number of devices that each have all that one of the specs says.
type PCIRequest struct {
	Alias  string
	Count  int
	Policy string
	Specs  []map[string]string // vendor_id, product_id, dev_type
}

// wants tells whether a device is one of those asked for. A physical function is given to nobody who does not ask for one.
func (r PCIRequest) wants(d PCIDevice) bool {
	asked := d.Type != PCIPF
	for _, spec := range r.Specs {
		asked = asked || spec["dev_type"] == PCIPF
	}
	return asked && slices.ContainsFunc(r.Specs, func(spec map[string]string) bool {
		for key, value := range spec {
			if !strings.EqualFold(d.tag(key), value) {
				return false
			}
		}
		return true
	})
}

// PCIAliases are the names by which flavors ask for devices (upstream's [pci] alias).
type PCIAliases map[string]PCIAlias

// PCIAlias is what one of them stands for.
type PCIAlias struct {
	Policy string
	Specs  []map[string]string
}

// ParsePCIAliases reads aliases, each a JSON object as upstream's configuration has them; several of one name are alternatives
// (nova/pci/request.py, _get_alias_from_config).
func ParsePCIAliases(texts []string) (PCIAliases, error) {
	out := PCIAliases{}
	for _, text := range texts {
		var a struct {
			Name       string   `json:"name"`
			Capability string   `json:"capability_type"`
			Product    string   `json:"product_id"`
			Vendor     string   `json:"vendor_id"`
			Type       string   `json:"device_type"`
			Policy     string   `json:"numa_policy"`
			Class      string   `json:"resource_class"` // for placement, which is not told of devices
			Traits     []string `json:"traits"`
		}
		bad := func(format string, args ...any) (PCIAliases, error) {
			return nil, fmt.Errorf("Invalid PCI alias definition: "+format, args...) //nolint:staticcheck // upstream's sentence
		}
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&a); err != nil {
			return bad("%w", err)
		}
		name := strings.TrimSpace(a.Name)
		switch {
		case name == "" || len(a.Name) > 256 || strings.ContainsAny(name, ":,"):
			return bad("name %q", a.Name)
		case a.Capability != "" && a.Capability != "pci":
			return bad("capability_type %q is not pci", a.Capability)
		case a.Product != "" && !isPCIID(a.Product), a.Vendor != "" && !isPCIID(a.Vendor):
			return bad("vendor_id %q and product_id %q are numbers of four hexadecimal digits", a.Vendor, a.Product)
		case a.Type != "" && a.Type != PCIPlain && a.Type != PCIPF && a.Type != PCIVF:
			return bad("device_type %q is not %s, %s or %s", a.Type, PCIPlain, PCIPF, PCIVF)
		case a.Policy != "" && !slices.Contains(pciPolicies, a.Policy):
			return bad("numa_policy %q is none of %s", a.Policy, strings.Join(pciPolicies, ", "))
		}
		if a.Policy == "" {
			a.Policy = PCILegacy
		}
		spec := map[string]string{"vendor_id": a.Vendor, "product_id": a.Product, "dev_type": a.Type}
		maps.DeleteFunc(spec, func(_, value string) bool { return value == "" })
		one, again := out[name]
		switch {
		case again && one.Policy != a.Policy:
			return bad("NUMA policy mismatch for alias '%s'", name)
		case again && one.Specs[0]["dev_type"] != a.Type:
			return bad("Device type mismatch for alias '%s'", name)
		}
		out[name] = PCIAlias{a.Policy, append(one.Specs, spec)}
	}
	return out, nil
}

func isPCIID(text string) bool {
	_, err := strconv.ParseUint(text, 16, 16)
	return err == nil && len(text) == 4
}

// PCI are the devices that a flavor asks for by pci_passthrough:alias, "name:count,…", with the affinity that flavor or image say.
func (w Wish) PCI(aliases PCIAliases) (requests []PCIRequest, err error) {
	flavor, image := w.both("pci_numa_affinity_policy")
	switch {
	case flavor != "" && image != "" && flavor != image:
		return nil, conflict("Image property 'hw_pci_numa_affinity_policy' is not permitted to override the 'hw:pci_numa_affinity_policy' flavor extra spec.")
	case flavor == "":
		flavor = image
	}
	if flavor != "" && !slices.Contains(pciPolicies, flavor) {
		return nil, conflict("Invalid PCI NUMA affinity configured: %s", flavor)
	}
	text := w.Flavor.Specs[PCIAliasSpec]
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(part, ":")
		name = strings.TrimSpace(name)
		alias, known := aliases[name]
		if !known {
			return nil, conflict("PCI alias %s is not defined", name)
		}
		count, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil || count < 1 {
			return nil, conflict("Invalid PCI alias definition: %s is not a number of devices in '%s'", number, text)
		}
		policy := flavor
		if policy == "" {
			policy = alias.Policy
		}
		requests = append(requests, PCIRequest{Alias: name, Count: count, Policy: policy, Specs: alias.Specs})
	}
	return requests, nil
}

// PCIAliasSpec is the extra spec by which a flavor asks for devices.
const PCIAliasSpec = "pci_passthrough:alias"
