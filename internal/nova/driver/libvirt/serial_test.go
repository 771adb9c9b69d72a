package libvirt_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"gostack/internal/nova/console"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/libvirt"
)

// A guest with disks that were asked for one by one, seen and talked to through its serial port: it has the disks under the names that upstream
// gives them, reads in its config drive where those with tags are, and the log of the port is there as well.
func TestSerialConsoleAndBlockDevices(t *testing.T) {
	l := newLab(t)
	run, err := os.MkdirTemp("/var/lib/libvirt", "run") // short enough for a socket's name
	l.must("directory", err)
	l.Driver = l.openWith(func(o *libvirt.Options) {
		o.Serial, o.SerialDir, o.Spice = true, filepath.Join(run, "serial"), true
	})
	s := spec()
	s.Flavor.EphemeralGB, s.Flavor.SwapMB = 2, 16
	s.Flavor.ExtraSpecs = map[string]string{"hw:serial_port_count": "3"}
	s.Image.Properties["hw_serial_port_count"] = "2"
	s.Devices = []driver.LocalDisk{
		{SizeMB: 64, Format: "ext2", DiskDevice: driver.DiskDevice{Tag: "scratch"}}, {SizeMB: 64}, {Swap: true, SizeMB: 8, DiskDevice: driver.DiskDevice{Tag: "pages"}},
	}
	s.ConfigDrive[0].Data = []byte(`{"devices": [{"type": "disk", "bus": "none", "address": "none", "tags": ["scratch"]}, {"type": "disk", "bus": "none", "address": "none", "tags": ["pages"]}]}`)
	l.prepare(s)
	ctx := t.Context()
	if _, err := l.Console(ctx, s.ID, driver.ConsoleSerial); !errors.Is(err, driver.ErrBadState) {
		t.Errorf("console of a server that is off: %v", err)
	}
	l.must("start", l.Start(ctx, s.ID))
	if def := l.running(s.ID); len(def.Devices.Serials) != 2 || def.Devices.Serials[0].Log == nil || def.Devices.Serials[1].Log != nil {
		t.Errorf("serial ports %+v", def.Devices.Serials)
	}

	p, err := console.New("/serial/", console.Options{Validator: seat{l, s.ID, driver.ConsoleSerial}, Bare: true, Dial: func(ctx context.Context, _ string, _ int, id string) (net.Conn, error) {
		at, err := l.Console(ctx, id, driver.ConsoleSerial)
		if err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, "unix", at.Path)
	}})
	l.must("proxy", err)
	defer p.Close()
	web := httptest.NewServer(p)
	defer web.Close()
	ws, _, err := websocket.Dial(ctx, strings.Replace(web.URL, "http", "ws", 1)+"/serial/?token=ticket", &websocket.DialOptions{Subprotocols: []string{"binary"}})
	l.must("websocket", err)
	defer ws.CloseNow()
	port := websocket.NetConn(ctx, ws, websocket.MessageBinary)
	lines, seen := bufio.NewScanner(port), []string{}
	until := func(text string) {
		t.Helper()
		for lines.Scan() {
			seen = append(seen, lines.Text())
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("the serial port ended before %q: %v\n%s", text, lines.Err(), strings.Join(seen, "\n"))
	}
	until("MICRO-READY")
	_, err = io.WriteString(port, "hello\n")
	l.must("type", err)
	until("HEARD hello")

	placed, err := l.TaggedDevices(ctx, s)
	if err != nil || len(placed) != 2 || placed[0].Bus != "pci" || placed[1].Bus != "pci" || placed[0].Address == placed[1].Address {
		t.Fatalf("tagged devices: %+v, %v", placed, err)
	}
	log := l.until(s.ID, "HEARD hello") // the log has what the reader of the port has
	for _, want := range []string{
		"DISK /dev/vdb ext4=ephemeral0 ", "DISK /dev/vdc ext4=ephemeral1 ", "DISK /dev/vdd ext4= swap=SWAPSPACE2", `"address":"` + placed[0].Address + `"`, `"address":"` + placed[1].Address + `"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the console log:\n%s", want, tail(log))
		}
	}
	if _, err := l.Console(ctx, s.ID, driver.ConsoleSPICE); err != nil {
		t.Errorf("SPICE: %v", err)
	}
	// The port goes with the guest.
	l.must("stop", l.Stop(ctx, s.ID, 0))
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil && websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Logf("the proxy closed with %v", err)
	}
	l.Driver = l.open()
	for _, kind := range []driver.ConsoleKind{driver.ConsoleSerial, driver.ConsoleSPICE} {
		if _, err := l.Console(ctx, s.ID, kind); !errors.Is(err, driver.ErrUnsupported) {
			t.Errorf("%s, switched off: %v", kind, err)
		}
	}
}
