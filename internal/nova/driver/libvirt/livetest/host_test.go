package livetest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	engine "gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/libvirt"
)

// The variables that make a run of this test binary a host: where its sockets are, and where its servers' disks.
const (
	hostVariable = "GOSTACK_LIVE_HOST"
	dirVariable  = "GOSTACK_LIVE_DIR"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(hostVariable); dir != "" {
		if err := serveHost(dir, os.Getenv(dirVariable)); err != nil {
			fmt.Fprintln(os.Stderr, "host:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// Images of the micro guest: the file is named after the id.
const (
	kernelID  = "00000000-0000-4000-8000-00000000000a"
	ramdiskID = "00000000-0000-4000-8000-00000000000b"
	diskID    = "00000000-0000-4000-8000-00000000000c"
)

// serveHost is the process in a machine: libvirtd, Open vSwitch, a driver, and a socket on which the test calls it.
func serveHost(dir, instances string) error {
	if os.Getenv("GOSTACK_LIVE_AGAIN") == "" {
		if err := startEngines(dir); err != nil {
			return err
		}
	}
	images := filepath.Join(filepath.Dir(dir), "images")
	d, err := libvirt.New(libvirt.Options{
		Client: engine.New(""), Dir: instances, Owner: "cloud-1", Serial: true,
		Images: func(_ context.Context, i driver.Image) (io.ReadCloser, error) {
			return os.Open(filepath.Join(images, i.ID))
		},
	})
	if err != nil {
		return err
	}
	link, err := listen(filepath.Join(dir, "link.sock"))
	if err != nil {
		return err
	}
	go serveLink(link, d)
	calls, err := listen(filepath.Join(dir, "call.sock"))
	if err != nil {
		return err
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Host", &Host{d: d}); err != nil {
		return err
	}
	for {
		conn, err := calls.Accept()
		if err != nil {
			return err
		}
		go server.ServeCodec(jsonrpc.NewServerCodec(conn))
	}
}

func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

// startEngines starts what the machine needs, as daemons that outlive this process.
func startEngines(dir string) error {
	for _, dir := range []string{"/run/openvswitch", "/run/libvirt"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	conf, err := os.OpenFile("/etc/libvirt/libvirtd.conf", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = conf.WriteString("auth_unix_rw = \"none\"\nlisten_tls = 0\nlisten_tcp = 1\nauth_tcp = \"none\"\nlog_outputs = \"3:file:/var/log/libvirt/libvirtd.log\"\n")
	if err := errors.Join(err, conf.Close()); err != nil {
		return err
	}
	// As whom QEMU runs makes a difference to what it may do and who owns what: both ways are met.
	if filepath.Base(dir) == "a" {
		if err := os.WriteFile("/etc/libvirt/qemu.conf", []byte("user = \"root\"\ngroup = \"root\"\n"), 0o600); err != nil {
			return err
		}
	}
	for _, line := range []string{
		"virtlogd --daemon --pid-file /run/virtlogd.pid", "libvirtd --daemon --listen --pid-file /run/libvirtd.pid", // on the network for the comparison with bare virsh only
		"ovsdb-tool create /etc/openvswitch/test.db",
		"ovsdb-server --remote=punix:/run/openvswitch/db.sock --pidfile --detach --no-chdir --log-file /etc/openvswitch/test.db",
		"ovs-vsctl --no-wait init", "ovs-vswitchd --pidfile --detach --no-chdir --log-file",
		"ovs-vsctl --timeout=120 add-br br-int -- set bridge br-int datapath_type=netdev",
	} {
		argv := strings.Fields(line)
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", line, err, out)
		}
	}
	return nil
}

// dialLink stands for hostlink: a header line, then the stream. The address is the other host's directory.
func dialLink(ctx context.Context, address string, header any) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(address, "link.sock"))
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{"header": header})
	if err != nil {
		return nil, err
	}
	_, err = conn.Write(append(text, '\n'))
	return conn, err
}

func serveLink(l net.Listener, d *libvirt.Driver) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			in := bufio.NewReader(conn)
			line, err := in.ReadBytes('\n')
			var open struct{ Header json.RawMessage }
			if err != nil || json.Unmarshal(line, &open) != nil {
				conn.Close()
				return
			}
			defer conn.Close()
			err = d.ServeLive(context.Background(), "source", open.Header, func() (net.Conn, error) { return &buffered{conn, in}, nil })
			if err != nil {
				fmt.Fprintln(os.Stderr, "channel:", err)
			}
		}()
	}
}

// buffered reads first what came with the header. It is no *net.UnixConn, whose descriptor the kernel could copy from past the buffer.
type buffered struct {
	net.Conn
	in *bufio.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.in.Read(p) }

// CloseWrite ends one way alone, as TLS connections can.
func (b *buffered) CloseWrite() error { return b.Conn.(*net.UnixConn).CloseWrite() }

// Host is the driver as the test calls it.
type Host struct {
	d    *libvirt.Driver
	seat net.Conn // a console that is kept open, and what it says
	seen *bufio.Scanner
}

// Move names a server that moves and how.
type Move struct {
	ID   string
	From driver.LiveSource
	Plan driver.LivePlan
}

type Nothing struct{}

func call(f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return f(ctx)
}

func (h *Host) Boot(spec driver.GuestSpec, _ *Nothing) error {
	return call(func(ctx context.Context) error {
		for _, id := range []string{kernelID, ramdiskID} {
			if err := h.d.EnsureImage(ctx, driver.Image{ID: id, DiskFormat: "aki"}); err != nil {
				return err
			}
		}
		return errors.Join(h.d.EnsureImage(ctx, *spec.Image), h.d.PrepareDisks(ctx, spec), h.d.Define(ctx, spec), h.d.Start(ctx, spec.ID))
	})
}

func (h *Host) Source(m Move, out *driver.LiveSource) (err error) {
	*out, err = h.d.LiveSource(context.Background(), m.ID)
	return err
}

func (h *Host) Target(m Move, out *driver.LiveTarget) (err error) {
	*out, err = h.d.LiveTarget(context.Background(), m.ID, m.From)
	return err
}

func (h *Host) Unprobe(m Move, _ *Nothing) error {
	return h.d.LiveUnprobe(context.Background(), m.From.Probe)
}

func (h *Host) Prepare(m Move, _ *Nothing) error {
	return call(func(ctx context.Context) error { return h.d.LivePrepare(ctx, m.Plan) })
}

func (h *Host) Begin(m Move, _ *Nothing) error {
	return call(func(ctx context.Context) error {
		return h.d.LiveStart(ctx, m.Plan, func(ctx context.Context, header any) (net.Conn, error) { return dialLink(ctx, m.Plan.Address, header) })
	})
}

func (h *Host) State(m Move, out *driver.LiveState) error {
	return call(func(ctx context.Context) (err error) { *out, err = h.d.LiveState(ctx, m.ID); return err })
}

func (h *Host) Abort(m Move, _ *Nothing) error {
	return call(func(ctx context.Context) error { return h.d.LiveAbort(ctx, m.ID) })
}

func (h *Host) Force(m Move, _ *Nothing) error {
	return call(func(ctx context.Context) error { return h.d.LiveForce(ctx, m.ID) })
}

func (h *Host) Arrive(m Move, out *driver.LiveResult) error {
	return call(func(ctx context.Context) (err error) { *out, err = h.d.LiveArrive(ctx, m.Plan); return err })
}

func (h *Host) Leave(m Move, _ *Nothing) error {
	return call(func(ctx context.Context) error { return h.d.LiveLeave(ctx, m.Plan) })
}

func (h *Host) Cancel(m Move, _ *Nothing) error {
	return call(func(ctx context.Context) error { return h.d.LiveCancel(ctx, m.Plan) })
}

func (h *Host) Forget(m Move, _ *Nothing) error {
	return call(func(ctx context.Context) error { return h.d.LiveForget(ctx, m.ID) })
}

// Adopt takes over the files of a server whose host is dead, in the migration and from the host that the plan names.
func (h *Host) Adopt(m Move, shared *bool) error {
	return call(func(ctx context.Context) (err error) {
		*shared, err = h.d.AdoptDisks(ctx, m.ID, m.Plan.Ticket, m.Plan.Source)
		return err
	})
}

func (h *Host) Destroy(m Move, _ *Nothing) error {
	return call(func(ctx context.Context) error { return h.d.Destroy(ctx, m.ID) })
}

func (h *Host) Reboot(m Move, _ *Nothing) error {
	return call(func(ctx context.Context) error { return h.d.Reboot(ctx, m.ID, driver.RebootHard, 0) })
}

// Type writes a line to the serial console of a server and answers what comes back until the line is repeated.
func (h *Host) Type(line string, out *string) error {
	return call(func(ctx context.Context) error {
		conn, _, err := h.typed(ctx, line, out)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Hold is Type by somebody who stays at the console: the connection is kept for Held.
func (h *Host) Hold(line string, out *string) error {
	return call(func(ctx context.Context) error {
		conn, text, err := h.typed(ctx, line, out)
		if err == nil {
			h.seat, h.seen = conn, text
		}
		return err
	})
}

// Held returns when the console that Hold keeps has ended, and how.
func (h *Host) Held(_ Nothing, _ *Nothing) error {
	return call(func(ctx context.Context) error {
		defer h.seat.Close()
		defer context.AfterFunc(ctx, func() { _ = h.seat.Close() })()
		for h.seen.Scan() {
		}
		return h.seen.Err()
	})
}

// typed opens the console that the first word of line names and types the rest; it answers the connection when the guest has repeated that.
func (h *Host) typed(ctx context.Context, line string, out *string) (net.Conn, *bufio.Scanner, error) {
	id, line, _ := strings.Cut(line, " ")
	at, err := h.d.Console(ctx, id, driver.ConsoleSerial)
	if err != nil {
		return nil, nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", at.Path)
	if err != nil {
		return nil, nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	text := bufio.NewScanner(conn)
	for text.Scan() {
		*out += text.Text() + "\n"
		if strings.Contains(text.Text(), "HEARD "+line) {
			return conn, text, nil
		}
	}
	return nil, nil, fmt.Errorf("the console ended: %w", errors.Join(io.ErrUnexpectedEOF, text.Err(), conn.Close()))
}

func (h *Host) Console(m Move, out *string) error {
	return call(func(ctx context.Context) error {
		text, err := h.d.ConsoleLog(ctx, m.ID, -1)
		*out = string(text)
		return err
	})
}

// Files are what a host has files of.
type Files struct{ Sets []driver.DiskSet }

func (h *Host) Disks(_ Nothing, out *Files) error {
	return call(func(ctx context.Context) (err error) { out.Sets, err = h.d.Disks(ctx); return err })
}
