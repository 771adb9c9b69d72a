package agent

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Where iproute2 keeps named namespaces.
const namespaceDir = "/run/netns"

// prefix is upstream's prefix of metadata namespaces.
const prefix = "ovnmeta-"

// The service's addresses. Every guest reaches the IPv4 one by a DHCP route; the IPv6 one is link-local.
var (
	metadata4 = netip.MustParsePrefix("169.254.169.254/32")
	metadata6 = netip.MustParsePrefix("fe80::a9fe:a9fe/64")
)

func namespaceName(networkID string) string { return prefix + networkID }

// outerName and innerName are the ends of the veth pair: in the host, and in the namespace. At most 15 characters.
func outerName(networkID string) string { return "tap" + networkID[:min(10, len(networkID))] + "0" }
func innerName(networkID string) string { return "tap" + networkID[:min(10, len(networkID))] + "1" }

// namespaces lists the networks that have a namespace.
func namespaces() []string {
	entries, _ := os.ReadDir(namespaceDir)
	var out []string
	for _, e := range entries {
		if id, ok := strings.CutPrefix(e.Name(), prefix); ok {
			out = append(out, id)
		}
	}
	return out
}

// makeNamespace makes the namespace with its end of the veth pair, or corrects what is there.
func makeNamespace(n network) error {
	ns, err := openNamespace(namespaceName(n.id))
	if err != nil {
		return fmt.Errorf("namespace of network %s: %w", n.id, err)
	}
	defer ns.Close()
	if err := makeCable(n, ns); err != nil {
		return fmt.Errorf("cable of network %s: %w", n.id, err)
	}
	return nil
}

// openNamespace opens a named namespace and creates it when it does not exist, or is the empty file of an interrupted creation.
func openNamespace(name string) (netns.NsHandle, error) {
	if ns, err := netns.GetFromName(name); err == nil {
		if inside(ns, func() error { return nil }) == nil {
			return ns, nil
		}
		ns.Close()
		_ = unix.Unmount(namespaceDir+"/"+name, unix.MNT_DETACH)
		_ = os.Remove(namespaceDir + "/" + name)
	}
	if err := shareNamespaceDir(); err != nil {
		return netns.None(), err
	}
	var ns netns.NsHandle
	err := onThread(func() (err error) {
		ns, err = netns.NewNamed(name)
		return err
	})
	return ns, err
}

// shareNamespaceDir makes the directory of named namespaces a shared mount of its own, as iproute2 does before its first namespace.
// Otherwise the first "ip netns add" of somebody else would hide our mounts below its own, and they could never be removed.
func shareNamespaceDir() error {
	if err := os.MkdirAll(namespaceDir, 0o755); err != nil {
		return err
	}
	err := unix.Mount("", namespaceDir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if !errors.Is(err, unix.EINVAL) { // EINVAL: not a mount point yet
		return err
	}
	if err := unix.Mount(namespaceDir, namespaceDir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return unix.Mount("", namespaceDir, "none", unix.MS_SHARED|unix.MS_REC, "")
}

// removeNamespace takes the namespace away, and with it its end of the cable.
func removeNamespace(id string) error {
	if link, err := netlink.LinkByName(outerName(id)); err == nil {
		if err := netlink.LinkDel(link); err != nil {
			return err
		}
	}
	path := namespaceDir + "/" + namespaceName(id)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("unmount namespace of network %s: %w", id, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove namespace of network %s: %w", id, err)
	}
	return nil
}

// makeCable makes the veth pair and configures both ends.
func makeCable(n network, ns netns.NsHandle) error {
	hw, err := net.ParseMAC(n.mac)
	if err != nil {
		return err
	}
	in, err := netlink.NewHandleAt(ns)
	if err != nil {
		return err
	}
	defer in.Close()
	outer, outerErr := netlink.LinkByName(outerName(n.id))
	inner, innerErr := in.LinkByName(innerName(n.id))
	if outerErr != nil || innerErr != nil {
		if outerErr == nil { // half of an older pair
			_ = netlink.LinkDel(outer)
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name = outerName(n.id)
		veth := &netlink.Veth{LinkAttrs: attrs, PeerName: innerName(n.id), PeerHardwareAddr: hw, PeerNamespace: netlink.NsFd(int(ns))}
		if err := netlink.LinkAdd(veth); err != nil {
			return err
		}
		if outer, err = netlink.LinkByName(outerName(n.id)); err != nil {
			return err
		}
		if inner, err = in.LinkByName(innerName(n.id)); err != nil {
			return err
		}
	}
	if inner.Attrs().HardwareAddr.String() != hw.String() {
		if err := in.LinkSetHardwareAddr(inner, hw); err != nil {
			return err
		}
	}
	// The userspace datapath takes packets as they are: without a checksum they would be lost.
	if err := checksumsInSoftware(outerName(n.id)); err != nil {
		return err
	}
	if err := inside(ns, func() error { return checksumsInSoftware(innerName(n.id)) }); err != nil {
		return err
	}
	if err := addresses(in, inner, n); err != nil {
		return err
	}
	if lo, err := in.LinkByName("lo"); err == nil {
		_ = in.LinkSetUp(lo)
	}
	if err := in.LinkSetUp(inner); err != nil {
		return err
	}
	return netlink.LinkSetUp(outer)
}

// addresses gives the inner end exactly the addresses it should have.
func addresses(in *netlink.Handle, link netlink.Link, n network) error {
	want := map[string]netip.Prefix{metadata4.String(): metadata4, metadata6.String(): metadata6}
	for _, a := range n.addrs {
		want[a.String()] = a
	}
	have, err := in.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	for _, a := range have {
		key := a.IPNet.String()
		if _, ok := want[key]; ok {
			delete(want, key)
		} else if !a.IP.IsLinkLocalUnicast() { // the kernel's own fe80:: stays
			if err := in.AddrDel(link, &a); err != nil {
				return err
			}
		}
	}
	for _, a := range want {
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen())}}
		if a.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD // the same address is on every host, behind each host's own localport
		}
		if err := in.AddrAdd(link, addr); err != nil && !errors.Is(err, os.ErrExist) && a != metadata6 { // a host may have IPv6 off
			return err
		}
	}
	return nil
}

// inside runs f on a thread that is in the namespace.
func inside(ns netns.NsHandle, f func() error) error {
	return onThread(func() error {
		if err := netns.Set(ns); err != nil {
			return err
		}
		return f()
	})
}

// onThread runs f on a thread of its own that ends afterwards, so whatever f does to the thread's namespace stays without effect.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		done <- f()
	}()
	return <-done
}
