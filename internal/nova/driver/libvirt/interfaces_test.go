package libvirt_test

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gostack/internal/engine/libvirt/libvirttest"
	"gostack/internal/nova/driver"
)

func nic(n int) driver.NIC {
	return driver.NIC{PortID: uuid.NewString(), MAC: fmt.Sprintf("fa:16:3e:00:00:%02x", n), MTU: 1442, Bridge: "br-int"}
}

// ovs asks Open vSwitch about a port's interface.
func ovs(t *testing.T, n driver.NIC, column string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ovs-vsctl", "--timeout=120", "--if-exists", "get", "Interface", n.DeviceName(), column).CombinedOutput()
	if err != nil {
		t.Fatalf("ovs-vsctl: %v: %s", err, out)
	}
	return strings.Trim(strings.TrimSpace(string(out)), `"`)
}

func TestInterfaces(t *testing.T) {
	l := newLab(t)
	libvirttest.NeedOpenVSwitch(t)
	ctx := t.Context()
	s := spec()
	first, second := nic(1), nic(2)
	s.NICs = []driver.NIC{first}
	l.boot(s)
	l.until(s.ID, "NICS 1")
	if id, mac := ovs(t, first, "external_ids:iface-id"), ovs(t, first, "external_ids:attached-mac"); id != first.PortID || mac != first.MAC {
		t.Errorf("Open vSwitch knows the port as %s, %s", id, mac)
	}
	if tap, err := net.InterfaceByName(first.DeviceName()); err != nil || tap.MTU != 1442 {
		t.Errorf("tap %+v, %v", tap, err)
	}
	// The userspace datapath cannot do what virtio would leave to it.
	args, err := exec.CommandContext(ctx, "pgrep", "-af", s.ID).Output()
	if err != nil || !strings.Contains(string(args), `"csum":false`) || !strings.Contains(string(args), `"host_mtu":1442`) {
		t.Errorf("QEMU runs as %s, %v", args, err)
	}

	began := time.Now()
	l.must("attach", l.AttachInterface(ctx, s.ID, second))
	t.Logf("attach took %.2f s", time.Since(began).Seconds())
	l.must("attach again", l.AttachInterface(ctx, s.ID, second))
	l.until(s.ID, "NICS 2")
	guests, err := l.List(ctx)
	if err != nil || len(guests) != 1 || len(guests[0].PortIDs) != 2 {
		t.Errorf("list %+v, %v", guests, err)
	}
	diag, err := l.Diagnostics(ctx, s.ID)
	if err != nil || len(diag.NICs) != 2 || diag.NICs[1].MAC != second.MAC {
		t.Errorf("diagnostics %+v, %v", diag.NICs, err)
	}

	began = time.Now()
	l.must("detach", l.DetachInterface(ctx, s.ID, first.PortID))
	t.Logf("detach took %.2f s", time.Since(began).Seconds())
	l.must("detach again", l.DetachInterface(ctx, s.ID, first.PortID))
	if id := ovs(t, first, "external_ids:iface-id"); id != "" {
		t.Errorf("the port %s is still plugged", id)
	}
	l.must("hard reboot", l.Reboot(ctx, s.ID, driver.RebootHard, 0))
	l.untilCount(s.ID, "MICRO-READY", 2)
	if guests, err := l.List(ctx); err != nil || len(guests) != 1 || len(guests[0].PortIDs) != 1 || guests[0].PortIDs[0] != second.PortID {
		t.Errorf("after a reboot %+v, %v", guests, err)
	}
	l.must("stop", l.Stop(ctx, s.ID, 0))
	l.must("attach to a stopped server", l.AttachInterface(ctx, s.ID, first))
	l.must("detach from a stopped server", l.DetachInterface(ctx, s.ID, second.PortID))
	if guests, err := l.List(ctx); err != nil || len(guests) != 1 || len(guests[0].PortIDs) != 1 || guests[0].PortIDs[0] != first.PortID {
		t.Errorf("after changes while off %+v, %v", guests, err)
	}
}

func TestUnsupportedProperties(t *testing.T) {
	l := newLab(t)
	for name, value := range map[string]string{
		driver.PropDiskBus: "floppy", driver.PropMachineType: "toaster", driver.PropFirmware: "openboot",
		driver.PropVideoModel: "cga", driver.PropSecureBoot: "required",
	} {
		s := spec()
		s.Image.Properties = map[string]string{name: value}
		l.must("disks", l.PrepareDisks(t.Context(), s))
		if err := l.Define(t.Context(), s); driver.CodeOf(err) != driver.CodeUnsupported {
			t.Errorf("%s=%s: %v", name, value, err)
		}
		l.must("destroy", l.Destroy(t.Context(), s.ID))
	}
}
