package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// guests: real guests on libvirt, Open vSwitch and OVN in a pretend machine, where this program runs once more.
func guests(o options) ([]figure, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a pretend machine needs root")
	}
	for _, file := range []*string{&o.bin, &o.image} {
		abs, err := filepath.Abs(*file)
		if err != nil {
			return nil, err
		}
		*file = abs
		if _, err := os.Stat(abs); err != nil {
			return nil, err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("scripts/machine", "run", fmt.Sprintf("bench-%d", os.Getpid()), "--", self, "-inside", "-bin", o.bin, "-image", o.image)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("in the machine: %w\n%s", err, out)
	}
	var figures []figure
	return figures, json.Unmarshal(out, &figures)
}

// insideMachine starts engines and gostack and measures them.
func insideMachine(o options) error {
	if out, err := exec.Command(o.bin, "up", "--bare").CombinedOutput(); err != nil {
		return fmt.Errorf("gostack up: %w\n%s", err, out)
	}
	c := newCloud(os.TempDir(), "http://127.0.0.1:5000", "/var/lib/gostack/keystone/admin-password")
	dir, err := os.MkdirTemp("/var/lib/gostack", "bench-")
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // QEMU runs as a user of its own
		return err
	}
	c.dir = dir
	if err := c.login(); err != nil {
		return err
	}
	image, err := os.Open(o.image)
	if err != nil {
		return err
	}
	defer func() { _ = image.Close() }()
	s, err := seed(c, "qcow2", io.Reader(image))
	if err != nil {
		return err
	}
	var process struct{ PID int }
	if b, err := os.ReadFile("/run/gostack/gostack.json"); err != nil || json.Unmarshal(b, &process) != nil {
		return fmt.Errorf("which process is gostack: %w", err)
	}
	figures, err := ports(c, s, "OVN has it")
	if err != nil {
		return err
	}
	share, mib := idle(process.PID)
	figures = append(figures,
		figure{What: "processor at idle with libvirt and OVN", Unit: "% core", Samples: []float64{share}, Baseline: "upstream", Base: 8.6, Budget: 0.5},
		figure{What: "resident memory at idle with libvirt and OVN", Unit: "MiB", Samples: []float64{mib}, Baseline: "upstream", Base: 4.1 * 1024, Budget: 80})
	more, err := realBoots(c, s, o.bin)
	if err != nil {
		return err
	}
	return show(append(figures, more...))
}

// realBoots alternates a server by the API with the same guest by virsh, so that both see the same load.
func realBoots(c *cloud, s *seeded, bin string) ([]figure, error) {
	var whole, own, away, bare []float64
	var steps []string
	durations := map[string][]float64{}
	for i := range 6 {
		begin := time.Now()
		id, err := create(c, s.server(true))
		if err != nil {
			return nil, err
		}
		if err := active(c, id, closely); err != nil {
			why, _ := exec.Command(bin, "why", id).CombinedOutput()
			return nil, fmt.Errorf("%w\n%s", err, why)
		}
		took := since(begin)
		toStart, events, err := timeline(bin, id, begin)
		if err != nil {
			return nil, err
		}
		xml, err := exec.Command("virsh", "dumpxml", id).Output()
		if err != nil {
			return nil, fmt.Errorf("virsh dumpxml: %w", err)
		}
		begin = time.Now()
		if err := gone(c, id, closely); err != nil {
			return nil, err
		}
		left := since(begin)
		alone, err := bareGuest(c.dir, string(xml))
		if err != nil {
			return nil, err
		}
		if i > 0 { // the first one fetches the image into the host's cache
			whole, own, away, bare = append(whole, took), append(own, toStart), append(away, left), append(bare, alone)
			for _, e := range events {
				if durations[e.Step] == nil {
					steps = append(steps, e.Step)
				}
				durations[e.Step] = append(durations[e.Step], float64(e.Duration.Microseconds())/1000)
			}
		}
	}
	figures := []figure{
		{What: "POST /servers to ACTIVE, a real guest with a port", Unit: "ms", Samples: whole, Baseline: "virsh create of the same guest", Base: median(bare), Budget: 1000},
		{What: "POST /servers to ACTIVE, a real guest with a port", Unit: "ms", Samples: whole, Baseline: "upstream", Base: 6800},
		{What: "POST /servers to libvirt's start call, image cached", Unit: "ms", Samples: own, Baseline: "virsh create of the same guest", Base: median(bare), Budget: 150},
		{What: "DELETE to gone, a real guest with a port", Unit: "ms", Samples: away, Baseline: "virsh create of the same guest", Base: median(bare), Budget: 700},
	}
	for _, step := range steps {
		figures = append(figures, figure{What: "  of a creation, the step \"" + step + "\"", Unit: "ms", Samples: durations[step]})
	}
	return figures, nil
}

// event is a line of gostack's own timeline of an operation.
type event struct {
	At       time.Time
	Step     string
	Duration time.Duration
}

// timeline is the time from begin to the step that starts the guest, in milliseconds, and what each step took.
func timeline(bin, id string, begin time.Time) (toStart float64, steps []event, err error) {
	out, err := exec.Command(bin, "why", id, "-o", "json").Output()
	if err != nil {
		return 0, nil, fmt.Errorf("gostack why: %w", err)
	}
	var operations []struct{ Events []event }
	if err := json.Unmarshal(out, &operations); err != nil {
		return 0, nil, err
	}
	for _, op := range operations {
		for _, e := range op.Events {
			if e.Duration > 0 {
				steps = append(steps, e)
			}
			if e.Step == "start guest" && toStart == 0 {
				toStart = float64(e.At.Add(-e.Duration).Sub(begin).Microseconds()) / 1000
			}
		}
	}
	if toStart == 0 {
		return 0, nil, fmt.Errorf("no step starts the guest in %s", out)
	}
	return toStart, steps, nil
}

var (
	diskFile    = regexp.MustCompile(`<source file='([^']+/disk)'`)
	backingFile = regexp.MustCompile(`(?s)<backingStore[^>]*>.*?<format type='([^']+)'/>.*?<source file='([^']+)'`)
	oldUUID     = regexp.MustCompile(`<uuid>([^<]+)</uuid>`)
	oldName     = regexp.MustCompile(`<name>[^<]+</name>`)
	noCopy      = regexp.MustCompile(`(?s)<seclabel.*?</seclabel>|<backingStore.*?</backingStore>|<backingStore/>|<target dev='tap[^']*'/>|<log file=[^>]*/>`)
)

// bareGuest starts a guest like the one described by virsh alone, on an overlay of the same image, and returns how long virsh create took.
func bareGuest(dir, xml string) (ms float64, err error) {
	uuid, err := os.ReadFile("/proc/sys/kernel/random/uuid")
	if err != nil {
		return 0, err
	}
	disk, old := diskFile.FindStringSubmatch(xml), oldUUID.FindStringSubmatch(xml)
	if disk == nil || old == nil {
		return 0, fmt.Errorf("no disk or UUID in %s", xml)
	}
	backing := backingFile.FindStringSubmatch(xml)
	if backing == nil {
		return 0, fmt.Errorf("the disk has no backing file in %s", xml)
	}
	own := filepath.Join(dir, "own")
	if err := os.MkdirAll(own, 0o755); err != nil {
		return 0, err
	}
	overlay := filepath.Join(own, "disk")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", backing[1], "-b", backing[2], overlay).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("qemu-img: %w %s", err, out)
	}
	xml = noCopy.ReplaceAllString(xml, "")
	xml = strings.ReplaceAll(xml, filepath.Dir(disk[1]), own)
	xml = oldName.ReplaceAllString(xml, "<name>bare</name>")
	xml = strings.ReplaceAll(xml, old[1], strings.TrimSpace(string(uuid)))
	file := filepath.Join(dir, "guest.xml")
	if err := os.WriteFile(file, []byte(xml), 0o600); err != nil {
		return 0, err
	}
	var complaint bytes.Buffer
	create := exec.Command("virsh", "create", file)
	create.Stderr = &complaint
	begin := time.Now()
	if err := create.Run(); err != nil {
		return 0, fmt.Errorf("virsh create: %w %s", err, complaint.String())
	}
	ms = since(begin)
	return ms, exec.Command("virsh", "destroy", "bare").Run()
}
