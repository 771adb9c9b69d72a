package host

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"

	"gostack/internal/engine/command"
)

const forwardSwitch = "/proc/sys/net/ipv4/ip_forward"

// masquerade makes this machine the way out for the external network: it forwards, and what leaves by another device
// than the external bridge gets this machine's address.
func (h *Host) masquerade(ctx context.Context) error {
	forward, err := os.ReadFile(forwardSwitch)
	if err != nil {
		return err
	}
	if was := strings.TrimSpace(string(forward)); was != "1" {
		if err := h.note(func(m *made) { m.ForwardWas = was }); err != nil {
			return err
		}
		if err := os.WriteFile(forwardSwitch, []byte("1\n"), 0o644); err != nil {
			return err
		}
	}
	network, bridge := h.opts.ExternalAddress.Masked().String(), h.opts.ExternalBridge
	if _, err := exec.LookPath("nft"); err == nil {
		if err := h.note(func(m *made) { m.Masquerade = "nft" }); err != nil {
			return err
		}
		// One table of our own, filled anew in one transaction.
		_, err := command.Run(ctx, "nft", "table ip gostack; delete table ip gostack; table ip gostack {"+
			" chain postrouting { type nat hook postrouting priority srcnat;"+
			" ip saddr "+network+" oifname != \""+bridge+"\" masquerade; } }")
		return err
	}
	if _, err := exec.LookPath("iptables"); err != nil {
		return errors.New("masquerading needs nft or iptables (Debian package nftables)")
	}
	rule := masqueradeRule(network, bridge)
	if _, err := command.Run(ctx, append([]string{"iptables", "-w", "-t", "nat", "-C"}, rule...)...); err == nil {
		return nil
	}
	if err := h.note(func(m *made) { m.Masquerade = "iptables" }); err != nil {
		return err
	}
	_, err = command.Run(ctx, append([]string{"iptables", "-w", "-t", "nat", "-A"}, rule...)...)
	return err
}

// masqueradeRule is the iptables rule, the same words for adding, checking and deleting.
func masqueradeRule(network, bridge string) []string {
	return []string{"POSTROUTING", "-s", network, "!", "-o", bridge, "-m", "comment", "--comment", "gostack", "-j", "MASQUERADE"}
}

// unmasquerade takes it all back.
func (h *Host) unmasquerade(ctx context.Context, m made) error {
	var all []error
	switch m.Masquerade {
	case "nft":
		_, err := command.Run(ctx, "nft", "table ip gostack; delete table ip gostack")
		all = append(all, err)
	case "iptables":
		rule := masqueradeRule(h.opts.ExternalAddress.Masked().String(), h.opts.ExternalBridge)
		if _, err := command.Run(ctx, append([]string{"iptables", "-w", "-t", "nat", "-C"}, rule...)...); err == nil {
			_, err := command.Run(ctx, append([]string{"iptables", "-w", "-t", "nat", "-D"}, rule...)...)
			all = append(all, err)
		}
	}
	if m.ForwardWas != "" {
		all = append(all, os.WriteFile(forwardSwitch, []byte(m.ForwardWas+"\n"), 0o644))
	}
	return errors.Join(all...)
}
