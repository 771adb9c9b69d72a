package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
)

// Purge takes back everything Up made on this machine, then stops what Up started and removes its files: bridges,
// settings in Open vSwitch, addresses, firewall rules, databases, records and logs. What was there before stays.
// It refuses while guests run.
func (h *Host) Purge(ctx context.Context, progress Progress) error {
	unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if n := runningGuests(); n > 0 {
		return fmt.Errorf("guests still run on this machine (%d): delete or stop them first", n)
	}
	m := h.made()
	all := []error{h.unmasquerade(ctx, m)}

	// ovn-controller goes first, else it makes br-int again.
	if e := h.engine("ovn-controller"); e != nil {
		if r, ours := h.recorded(e.Name); ours {
			all = append(all, h.stop(ctx, *e, r))
		}
	}
	if e := h.engine("ovs-vswitchd"); h.look(ctx, *e).State == Running {
		all = append(all, h.purgeSwitch(ctx, m))
	}
	all = append(all, h.down(ctx, progress))
	if err := errors.Join(all...); err != nil {
		return err // the list of what was made stays for the next try
	}
	for _, path := range append(h.ownFiles(), h.dir(), h.recordDir()) {
		all = append(all, os.RemoveAll(path))
	}
	// The lock file goes last, and the directories only when nothing of others is in them.
	os.Remove(h.opts.RunDir + "/engines.lock")
	for _, dir := range []string{h.opts.RunDir, h.opts.StateDir, h.opts.LogDir} {
		os.Remove(dir)
	}
	return errors.Join(all...)
}

// purgeSwitch removes our bridges, settings and addresses from a running Open vSwitch.
func (h *Host) purgeSwitch(ctx context.Context, m made) error {
	var all []error
	for _, bridge := range m.Bridges {
		_, err := vsctl(ctx, "--if-exists", "del-br", bridge)
		all = append(all, err)
	}
	for key, before := range m.ExternalIDs {
		args := []string{"--no-wait", "remove", "Open_vSwitch", ".", "external_ids", key}
		if before != "" {
			args = []string{"--no-wait", "set", "Open_vSwitch", ".", fmt.Sprintf("external_ids:%s=%q", key, before)}
		}
		_, err := vsctl(ctx, args...)
		all = append(all, err)
	}
	if m.TLS {
		_, err := vsctl(ctx, "--no-wait", "del-ssl")
		all = append(all, err)
	}
	for _, entry := range m.Addresses {
		address, bridge, _ := strings.Cut(entry, " ")
		link, err := netlink.LinkByName(bridge)
		if err != nil {
			continue // the bridge is gone, and the address with it
		}
		if a, err := netlink.ParseAddr(address); err == nil {
			if err := netlink.AddrDel(link, a); err != nil && !strings.Contains(err.Error(), "cannot assign") {
				all = append(all, err)
			}
		}
	}
	return errors.Join(all...)
}

// ownFiles are the engines' log files.
func (h *Host) ownFiles() []string {
	var files []string
	for _, e := range h.engines {
		files = append(files, h.logFile(e.Name), h.logFile(e.Name)+".1")
	}
	return files
}

func (h *Host) engine(name string) *Engine {
	if i := slices.IndexFunc(h.engines, func(e Engine) bool { return e.Name == name }); i >= 0 {
		return &h.engines[i]
	}
	return nil
}
