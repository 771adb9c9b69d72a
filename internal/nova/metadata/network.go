package metadata

import (
	"net"
	"net/netip"
	"strconv"

	"gostack/internal/neutron"
)

// Network is network_data.json.
type Network struct {
	Links    []link    `json:"links"`
	Networks []subnet  `json:"networks"`
	Services []service `json:"services"`
}

type link struct {
	ID   string `json:"id"`
	VIF  string `json:"vif_id"`
	Type string `json:"type"`
	MTU  *int   `json:"mtu"`
	MAC  string `json:"ethernet_mac_address"`
}

// subnet is one entry of networks. With DHCP the guest asks for the rest.
type subnet struct {
	ID        string     `json:"id"`
	Type      string     `json:"type"`
	Link      string     `json:"link"`
	IP        string     `json:"ip_address,omitempty"`
	Netmask   string     `json:"netmask,omitempty"`
	Routes    *[]route   `json:"routes,omitempty"`
	NetworkID string     `json:"network_id"`
	Services  *[]service `json:"services,omitempty"`
}

type route struct {
	Network string `json:"network"`
	Netmask string `json:"netmask"`
	Gateway string `json:"gateway"`
}

type service struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

// networkData describes the server's NICs: as upstream, the first subnet of
// each IP version of each NIC.
func (s *Server) networkData() any {
	if len(s.NICs) == 0 {
		return struct{}{}
	}
	n := Network{Links: []link{}, Networks: []subnet{}, Services: []service{}}
	for _, nic := range s.NICs {
		if len(nic.Subnets) == 0 {
			continue
		}
		l := link{ID: "tap" + nic.PortID[:min(11, len(nic.PortID))], VIF: nic.PortID, Type: nic.Type, MAC: nic.MAC}
		if l.Type == "" {
			l.Type = "ovs"
		}
		if nic.MTU > 0 {
			l.MTU = &nic.MTU
		}
		n.Links = append(n.Links, l)
		for _, version := range []int{4, 6} {
			sub := first(nic.Subnets, version)
			if sub == nil || len(sub.Addresses) == 0 {
				continue
			}
			n.Networks = append(n.Networks, describe(sub, len(n.Networks), l.ID, nic.NetworkID))
			for _, dns := range services(sub) {
				n.add(dns)
			}
		}
	}
	return n
}

func (n *Network) add(s service) {
	for _, known := range n.Services {
		if known == s {
			return
		}
	}
	n.Services = append(n.Services, s)
}

func first(subnets []neutron.VIFSubnet, version int) *neutron.VIFSubnet {
	for i := range subnets {
		if subnets[i].Version == version {
			return &subnets[i]
		}
	}
	return nil
}

func describe(sub *neutron.VIFSubnet, index int, linkID, networkID string) subnet {
	e := subnet{ID: "network" + strconv.Itoa(index), Type: "ipv" + strconv.Itoa(sub.Version), Link: linkID, NetworkID: networkID}
	switch {
	case sub.Version == 6 && sub.AddressMode != "":
		e.Type += "_" + sub.AddressMode
	case sub.DHCP:
		e.Type += "_dhcp"
		return e
	}
	e.IP = sub.Addresses[0]
	routes := []route{}
	if prefix, err := netip.ParsePrefix(sub.CIDR); err == nil {
		e.Netmask = netmask(prefix)
	}
	if sub.Gateway != "" {
		r := route{Network: "0.0.0.0", Netmask: "0.0.0.0", Gateway: sub.Gateway}
		if sub.Version == 6 {
			r.Network, r.Netmask = "::", "::"
		}
		routes = append(routes, r)
	}
	for _, r := range sub.Routes {
		if prefix, err := netip.ParsePrefix(r.Destination); err == nil {
			routes = append(routes, route{Network: prefix.Masked().Addr().String(), Netmask: netmask(prefix), Gateway: r.NextHop})
		}
	}
	dns := services(sub)
	e.Routes, e.Services = &routes, &dns
	return e
}

func services(sub *neutron.VIFSubnet) []service {
	all := []service{}
	for _, a := range sub.DNS {
		all = append(all, service{Type: "dns", Address: a})
	}
	return all
}

// netmask writes a prefix length as an address, of the prefix's IP version.
func netmask(p netip.Prefix) string {
	return net.IP(net.CIDRMask(p.Bits(), p.Addr().BitLen())).String()
}
