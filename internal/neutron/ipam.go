package neutron

import (
	"context"
	"math/big"
	"net/netip"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
)

// fixedAsk is what a request says about one address: a subnet, an address, or both.
type fixedAsk struct {
	subnet string
	ip     netip.Addr
}

func asksOf(list []attr.Values) []fixedAsk {
	asks := make([]fixedAsk, len(list))
	for i, x := range list {
		asks[i].subnet = x.String("subnet_id")
		asks[i].ip, _ = netip.ParseAddr(x.String("ip_address"))
	}
	return asks
}

// candidate is an address that a port could get.
type candidate struct {
	subnet *db.Subnet
	ip     netip.Addr
}

// slot is one address to be found: exactly its only candidate, or the first free one, or any free one of its subnets.
type slot struct {
	candidates []candidate
	exact      bool
	subnets    []*db.Subnet
}

// guesses is how many random addresses are tried before a subnet's pools are searched.
const guesses = 12

// allocate finds addresses for a port in one statement, unless its subnets are nearly full. given says that asks are the
// user's; otherwise the port gets one IPv4 address, one of stateful IPv6, and one of each subnet with SLAAC, as far as the
// network has them. keep are allocations the port has already.
func (u *unit) allocate(ctx context.Context, p *db.Port, subnets []*db.Subnet, given bool, asks []fixedAsk, keep []db.Allocation) ([]db.Allocation, error) {
	var slots []slot
	var err error
	result := []db.Allocation{}
	if given {
		slots, result, err = u.askedSlots(p, subnets, asks, keep)
	} else {
		slots = u.defaultSlots(p, subnets)
	}
	if err != nil {
		return nil, err
	}
	if !isRouterOwner(p.DeviceOwner) {
		slots = append(slots, u.slaacSlots(p, subnets, slots, result)...)
	}
	used, err := u.usedAmong(ctx, p, slots)
	if err != nil {
		return nil, err
	}
	for _, sl := range slots {
		c, err := u.fill(ctx, p, sl, used)
		if err != nil {
			return nil, err
		}
		used[c.subnet.ID+c.ip.String()] = true
		result = append(result, db.Allocation{
			SubnetID: c.subnet.ID, IPAddress: c.ip.String(), IPKey: addrKey(c.ip), NetworkID: p.NetworkID, PortID: p.ID,
		})
	}
	for i := range result {
		result[i].Place = int64(i)
	}
	return result, nil
}

func (u *unit) defaultSlots(p *db.Port, subnets []*db.Subnet) (slots []slot) {
	var families [2][]*db.Subnet
	for _, sn := range subnets {
		if autoAddressed(sn) && !isRouterOwner(p.DeviceOwner) || !serves(sn, p.DeviceOwner) {
			continue
		}
		i := 0
		if sn.IPVersion == 6 {
			i = 1
		}
		families[i] = append(families[i], sn)
	}
	for _, f := range families {
		if len(f) > 0 {
			slots = append(slots, slot{candidates: u.guess(f), subnets: f})
		}
	}
	return slots
}

// slaacSlots are the addresses that the port will give itself on subnets it has none on yet.
func (u *unit) slaacSlots(p *db.Port, subnets []*db.Subnet, slots []slot, have []db.Allocation) (more []slot) {
	seen := map[string]bool{}
	for _, sl := range slots {
		if sl.exact {
			seen[sl.candidates[0].subnet.ID] = true
		}
	}
	for _, a := range have {
		seen[a.SubnetID] = true
	}
	for _, sn := range subnets {
		if !autoAddressed(sn) || seen[sn.ID] || !serves(sn, p.DeviceOwner) {
			continue
		}
		if a, ok := eui64(netip.MustParsePrefix(sn.CIDR), p.MACAddress); ok {
			more = append(more, slot{candidates: []candidate{{sn, a}}, exact: true})
		}
	}
	return more
}

// serves tells whether a subnet's service_types let a port have an address of it.
func serves(sn *db.Subnet, deviceOwner string) bool {
	if len(sn.ServiceTypes) == 0 {
		return true
	}
	for _, t := range sn.ServiceTypes {
		if t == deviceOwner {
			return true
		}
	}
	return false
}

func (u *unit) askedSlots(p *db.Port, subnets []*db.Subnet, asks []fixedAsk, keep []db.Allocation) (slots []slot, kept []db.Allocation, err error) {
	kept = []db.Allocation{}
	taken := map[int]bool{}
	take := func(match func(db.Allocation) bool) bool {
		for i, a := range keep {
			if !taken[i] && match(a) {
				taken[i] = true
				kept = append(kept, a)
				return true
			}
		}
		return false
	}
	for _, ask := range asks {
		sn, err := subnetFor(p.NetworkID, subnets, ask)
		if err != nil {
			return nil, nil, err
		}
		if ask.ip.IsValid() {
			text := ask.ip.String()
			if take(func(a db.Allocation) bool { return a.SubnetID == sn.ID && a.IPAddress == text }) {
				continue
			}
			own, ok := eui64(netip.MustParsePrefix(sn.CIDR), p.MACAddress)
			if autoAddressed(sn) && !isRouterOwner(p.DeviceOwner) && !(ok && own == ask.ip) {
				return nil, nil, invalidInput("IPv6 address %s can not be directly assigned to a port on subnet %s since the subnet is configured for automatic addresses",
					ask.ip, sn.ID)
			}
			slots = append(slots, slot{candidates: []candidate{{sn, ask.ip}}, exact: true})
			continue
		}
		if take(func(a db.Allocation) bool { return a.SubnetID == sn.ID }) {
			continue
		}
		if a, ok := eui64(netip.MustParsePrefix(sn.CIDR), p.MACAddress); ok && autoAddressed(sn) && !isRouterOwner(p.DeviceOwner) {
			slots = append(slots, slot{candidates: []candidate{{sn, a}}, exact: true})
			continue
		}
		asked := slot{subnets: []*db.Subnet{sn}}
		if p.DeviceOwner != ownerDistributed { // the metadata port takes the first free address, as upstream's DHCP ports do: users plan around it
			asked.candidates = u.guess(asked.subnets)
		}
		slots = append(slots, asked)
	}
	return slots, kept, nil
}

// subnetFor finds the subnet that an ask is about and checks the address.
func subnetFor(network string, subnets []*db.Subnet, ask fixedAsk) (*db.Subnet, error) {
	if ask.subnet == "" && !ask.ip.IsValid() {
		return nil, invalidInput("IP allocation requires subnet_id or ip_address")
	}
	for _, sn := range subnets {
		p := netip.MustParsePrefix(sn.CIDR)
		switch {
		case ask.subnet != "" && sn.ID != ask.subnet, ask.subnet == "" && !p.Contains(ask.ip):
			continue
		case ask.ip.IsValid() && !usable(p, ask.ip) && ask.ip.String() != sn.GatewayIP:
			return nil, bad("InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", ask.ip)
		}
		return sn, nil
	}
	if ask.subnet != "" {
		return nil, invalidInput("Failed to create port on network %s, because fixed_ips included invalid subnet %s", network, ask.subnet)
	}
	return nil, bad("InvalidIpForNetwork", "IP address %s is not a valid IP for any of the subnets on the specified network.", ask.ip)
}

// guess makes random addresses of the subnets' pools, subnet by subnet.
func (u *unit) guess(subnets []*db.Subnet) (out []candidate) {
	for _, sn := range subnets {
		pools := ranges(sn.AllocationPools)
		if len(pools) == 0 {
			continue
		}
		for range guesses {
			r := pools[0]
			if len(pools) > 1 {
				r = pools[u.s.random(int64(len(pools)))]
			}
			n := int64(1) << 62
			if size := r.size(); size.IsInt64() && size.Int64() < n {
				n = size.Int64()
			}
			out = append(out, candidate{sn, addrAt(r.first, big.NewInt(u.s.random(n)))})
		}
	}
	return out
}

// usedAmong asks which candidates other ports have.
func (u *unit) usedAmong(ctx context.Context, p *db.Port, slots []slot) (map[string]bool, error) {
	used := map[string]bool{}
	var ips []string
	for _, sl := range slots {
		for _, c := range sl.candidates {
			ips = append(ips, c.ip.String())
		}
	}
	if len(ips) == 0 {
		return used, nil
	}
	var rows []db.Allocation
	cond := db.In("t.ip_address", ips)
	err := u.tx.NewSelect().Model(&rows).Where("t.network_id = ? AND t.port_id <> ?", p.NetworkID, p.ID).Where(cond.SQL, cond.Args...).Scan(ctx)
	for _, a := range rows {
		used[a.SubnetID+a.IPAddress] = true
	}
	return used, err
}

func (u *unit) fill(ctx context.Context, p *db.Port, sl slot, used map[string]bool) (candidate, error) {
	for _, c := range sl.candidates {
		if !used[c.subnet.ID+c.ip.String()] {
			return c, nil
		}
	}
	if sl.exact {
		c := sl.candidates[0]
		return c, ipTaken(c.subnet.ID, c.ip.String())
	}
	for _, sn := range sl.subnets {
		if c, ok, err := u.search(ctx, sn, used); ok || err != nil {
			return c, err
		}
	}
	return candidate{}, noMoreAddresses(p.NetworkID)
}

// search walks through a subnet's pools for the first free address.
func (u *unit) search(ctx context.Context, sn *db.Subnet, used map[string]bool) (candidate, bool, error) {
	var taken []string
	if err := u.tx.NewSelect().Model((*db.Allocation)(nil)).Column("ip_address").Where("t.subnet_id = ?", sn.ID).Scan(ctx, &taken); err != nil {
		return candidate{}, false, err
	}
	has := make(map[string]bool, len(taken))
	for _, t := range taken {
		has[t] = true
	}
	for _, r := range ranges(sn.AllocationPools) {
		for a := r.first; r.contains(a); a = a.Next() {
			if text := a.String(); !has[text] && !used[sn.ID+text] {
				return candidate{sn, a}, true, nil
			}
		}
	}
	return candidate{}, false, nil
}
