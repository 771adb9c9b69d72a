package crash

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gostack/test/lab"
)

// Lab is the world of several machines: control replicas, hosts, PostgreSQL, RabbitMQ, OVN, all of which die.
type Lab struct{ *lab.Lab }

// Hosts is how many hosts it has, real or simulated.
func (w Lab) Hosts() int { return len(w.Lab.Hosts) + w.Simulated }

// Image is a disk whose boot sector halts the processor: a guest that costs next to nothing.
func (w Lab) Image() (io.ReadSeeker, error) { return haltingImage() }

// Faults are what can be done to the machines.
func (w Lab) Faults() []Fault {
	kill := func(name string, weight int, lasts time.Duration, list ...*lab.Process) Fault {
		return Fault{Name: name + " killed", Weight: weight, Lasts: lasts, Do: func(ctx context.Context, rnd *rand.Rand) (func(context.Context) error, error) {
			p := list[rnd.IntN(len(list))]
			if err := p.Kill(ctx); err != nil {
				return nil, err
			}
			return p.Start, nil
		}}
	}
	freeze := func(name string, weight int, lasts time.Duration, list ...*lab.Process) Fault {
		return Fault{Name: name + " frozen", Weight: weight, Lasts: lasts, Do: func(ctx context.Context, rnd *rand.Rand) (func(context.Context) error, error) {
			p := list[rnd.IntN(len(list))]
			return p.Thaw, p.Freeze(ctx)
		}}
	}
	cut := func(name string, weight int, lasts time.Duration, list ...*lab.Machine) Fault {
		return Fault{Name: name + " cut off", Weight: weight, Lasts: lasts, Do: func(_ context.Context, rnd *rand.Rand) (func(context.Context) error, error) {
			m := list[rnd.IntN(len(list))]
			return func(context.Context) error { return m.Mend() }, m.Cut()
		}}
	}
	power := func(name string, weight int, lasts time.Duration, list ...*lab.Machine) Fault {
		return Fault{Name: name + " without power", Weight: weight, Lasts: lasts, Do: func(ctx context.Context, rnd *rand.Rand) (func(context.Context) error, error) {
			m := list[rnd.IntN(len(list))]
			return m.On, m.Off(ctx)
		}}
	}
	var controls, agents, libvirts, controllers, switches, switchDBs []*lab.Process
	for _, m := range w.Controls {
		controls = append(controls, m.Gostack())
	}
	for _, m := range w.Lab.Hosts {
		agents = append(agents, m.Gostack())
		libvirts = append(libvirts, m.Process("libvirtd"))
		controllers = append(controllers, m.Process("ovn-controller"))
		switches = append(switches, m.Process("ovs-vswitchd"))
		switchDBs = append(switchDBs, m.Process("ovsdb-server"))
	}
	hosts := w.Lab.Hosts
	if w.Simulator != nil {
		agents, hosts = []*lab.Process{w.Simulator.Gostack()}, []*lab.Machine{w.Simulator}
	}
	faults := []Fault{
		kill("control", 6, time.Second, controls...),
		freeze("control", 2, 2*time.Second, controls...),
		cut("control", 1, 3*time.Second, w.Controls...),
		{Name: "all of control killed", Weight: 1, Lasts: time.Second, Do: func(ctx context.Context, _ *rand.Rand) (func(context.Context) error, error) {
			for _, p := range controls {
				if err := p.Kill(ctx); err != nil {
					return nil, err
				}
			}
			return func(ctx context.Context) error {
				for _, p := range controls {
					if err := p.Launch(ctx); err != nil {
						return err
					}
				}
				for _, p := range controls { // until they answer
					if err := p.Start(ctx); err != nil {
						return err
					}
				}
				return nil
			}, nil
		}},
		kill("agent", 5, time.Second, agents...),
		freeze("agent", 1, 2*time.Second, agents...),
		cut("host", 2, 4*time.Second, hosts...),
		kill("RabbitMQ", 1, time.Second, w.Rabbit),
		freeze("RabbitMQ", 1, 2*time.Second, w.Rabbit),
		kill("PostgreSQL", 2, time.Second, w.Postgres),
		cut("PostgreSQL", 1, 2*time.Second, w.DB),
		cut("RabbitMQ", 1, 2*time.Second, w.MQ),
		power("control", 1, 2*time.Second, w.Controls...),
	}
	if len(w.Lab.Hosts) > 0 {
		faults = append(faults,
			kill("libvirtd", 2, time.Second, libvirts...),
			kill("ovn-controller", 1, time.Second, controllers...),
			kill("ovs-vswitchd", 1, time.Second, switches...),
			kill("ovsdb-server", 1, time.Second, switchDBs...),
			kill("OVN central", 2, time.Second, w.Northbound, w.Southbound, w.Northd),
			cut("OVN central", 1, 2*time.Second, w.OVN),
		)
		// Guests die with their host. They are off when it is back.
		dark := power("host", 2, 4*time.Second, hosts...)
		dark.StopsGuests = true
		faults = append(faults, dark)
	}
	return faults
}

// haltingImage is a qcow2 file of one MiB that halts the processor when it is booted.
func haltingImage() (io.ReadSeeker, error) {
	dir, err := os.MkdirTemp("", "crash-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	raw, file := filepath.Join(dir, "raw"), filepath.Join(dir, "qcow2")
	disk := make([]byte, 1<<20)
	copy(disk, []byte{0xfa, 0xf4, 0xeb, 0xfd}) // cli; hlt; jmp to the hlt
	disk[510], disk[511] = 0x55, 0xaa
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		return nil, err
	}
	if out, err := exec.Command("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, file).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("qemu-img: %w: %s", err, out)
	}
	b, err := os.ReadFile(file)
	return bytes.NewReader(b), err
}
