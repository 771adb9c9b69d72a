package hardware

import (
	"cmp"
	"slices"
)

// FreePCI are the devices of a host that nobody has. A physical function and the virtual ones made of it are never in different hands: when one of these
// is taken the physical one is too, and the other way round (nova/pci/stats.py, _handle_device_dependents).
func FreePCI(devices []PCIDevice, taken []string) []PCIDevice {
	if len(taken) == 0 {
		return devices
	}
	gone := make(map[string]bool, len(taken))
	for _, address := range taken {
		gone[address] = true
	}
	for _, d := range devices {
		if d.Parent != "" && slices.Contains(taken, d.Address) {
			gone[d.Parent] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(devices), func(d PCIDevice) bool {
		return gone[d.Address] || d.Parent != "" && slices.Contains(taken, d.Parent)
	})
}

// FitPCI chooses of a host's free devices those that a guest asks for, near to the cells of the host that it is on (nil: nobody says which). nil, false is
// that they are not all there.
func FitPCI(free []PCIDevice, requests []PCIRequest, h *Host, g *Guest) ([]PCIDevice, bool) {
	var chosen []PCIDevice
	for _, r := range requests {
		var fit []PCIDevice
		for _, d := range free {
			if r.wants(d) {
				fit = append(fit, d)
			}
		}
		fit = r.near(fit, h, g)
		if len(fit) < r.Count {
			return nil, false
		}
		// Devices with tags of their own are kept for those who ask for these, as upstream's smallest pools come first.
		slices.SortStableFunc(fit, func(a, b PCIDevice) int { return cmp.Compare(len(a.Tags), len(b.Tags)) })
		if r.Policy == PCIPreferred {
			slices.SortStableFunc(fit, func(a, b PCIDevice) int { return cmp.Compare(distance(a, g), distance(b, g)) })
		}
		var taken []string
		for len(taken) < r.Count {
			if len(fit) == 0 {
				return nil, false
			}
			d := fit[0]
			chosen, taken = append(chosen, d), append(taken, d.Address)
			fit = FreePCI(fit, []string{d.Address})
			// What belongs together goes together: fit may lack one of the two.
			fit = slices.DeleteFunc(fit, func(other PCIDevice) bool { return other.Address == d.Parent || other.Parent == d.Address })
		}
		free = FreePCI(free, taken)
	}
	return chosen, true
}

// near are the devices that the policy allows for a guest on these cells: the strictest way that has enough of them.
func (r PCIRequest) near(devices []PCIDevice, h *Host, g *Guest) []PCIDevice {
	if g == nil || len(g.Cells) == 0 {
		return devices
	}
	within := func(limit int) []PCIDevice {
		return slices.DeleteFunc(slices.Clone(devices), func(d PCIDevice) bool { return distance(d, g) > limit })
	}
	strict := within(0)
	switch {
	case r.Policy == PCIRequired || len(strict) >= r.Count:
		return strict
	case r.Policy == PCISocket:
		return onSockets(devices, h, g)
	}
	loose := within(1)
	if r.Policy == PCILegacy || len(loose) >= r.Count {
		return loose
	}
	return devices
}

// distance is 0 for a device in one of the guest's cells, 1 for one of which nobody knows, 2 for one elsewhere.
func distance(d PCIDevice, g *Guest) int {
	switch {
	case g == nil || d.Cell == nil:
		return 1
	case slices.ContainsFunc(g.Cells, func(c GuestCell) bool { return c.ID == *d.Cell }):
		return 0
	}
	return 2
}

// onSockets are the devices in cells on the sockets of the guest's; none when the host does not say where all of its cells are.
func onSockets(devices []PCIDevice, h *Host, g *Guest) []PCIDevice {
	if h == nil {
		return nil
	}
	sockets, cells := map[int]bool{}, map[int]bool{}
	for _, c := range h.Cells {
		if c.Socket == nil {
			return nil
		}
		if slices.ContainsFunc(g.Cells, func(on GuestCell) bool { return on.ID == c.ID }) {
			sockets[*c.Socket] = true
		}
	}
	for _, c := range h.Cells {
		cells[c.ID] = sockets[*c.Socket]
	}
	return slices.DeleteFunc(slices.Clone(devices), func(d PCIDevice) bool { return d.Cell == nil || !cells[*d.Cell] })
}

// Place puts a guest on a host's cells, when it asks for a place there, and chooses its devices near to them: the first way that has both. ok is whether
// there is one; the guest is nil when wish is.
func Place(h *Host, wish *Guest, limits Ratios, free []PCIDevice, requests []PCIRequest) (placed *Guest, devices []PCIDevice, ok bool) {
	if wish == nil {
		devices, ok = FitPCI(free, requests, h, nil)
		return nil, devices, ok
	}
	if h == nil {
		return nil, nil, false
	}
	placed = fitWhere(*h, wish, limits, func(g *Guest) bool {
		devices, ok = FitPCI(free, requests, h, g)
		return ok
	})
	if placed == nil {
		return nil, nil, false
	}
	return placed, devices, true
}
