// Package image_test boots the guest image for real (QEMU, emulated) and asks the guest what it made of it.
//
// QEMU's user network gives it DHCP and router advertisements, and passes 169.254.169.254 on to a web server of the
// test, in a pretend machine whose port 80 is free.
package image_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gostack/test/machine"
)

const guestImage = "../../build/guest.qcow2"

// patience is how long a test waits for an emulated guest: ten seconds on an idle box are minutes on a busy one.
const patience = 10 * time.Minute

func needImage(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(guestImage); err != nil {
		machine.Missing(t, "no guest image: make image")
	}
	for _, tool := range []string{"qemu-system-x86_64", "qemu-img"} {
		if _, err := exec.LookPath(tool); err != nil {
			machine.Missing(t, tool+" is not installed: scripts/install-engines")
		}
	}
}

// guest is a running guest.
type guest struct {
	t       *testing.T
	dir     string
	qemu    *exec.Cmd
	ended   chan error
	key     ssh.Signer
	console string
}

// start boots the image on a disk of 1 GiB with extra QEMU arguments. Metadata, user data and so on are files below dir.
func start(t *testing.T, dir string, signer ssh.Signer, extra ...string) *guest {
	t.Helper()
	g := &guest{t: t, dir: dir, key: signer, console: filepath.Join(dir, "console.log"), ended: make(chan error, 1)}
	base, err := filepath.Abs(guestImage)
	if err != nil {
		t.Fatal(err)
	}
	disk := filepath.Join(dir, "disk.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, disk, "1G").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	g.qemu = exec.Command("qemu-system-x86_64", append([]string{
		"-accel", "tcg", "-machine", "q35", "-cpu", "qemu64", "-m", "160", "-display", "none",
		"-drive", "file=" + disk + ",if=virtio",
		"-netdev", "user,id=n,net=169.254.169.0/24,host=169.254.169.254,dhcpstart=169.254.169.10,hostfwd=tcp:127.0.0.1:2222-:22",
		"-device", "virtio-net-pci,netdev=n",
		"-device", "virtio-serial", "-chardev", "socket,path=" + dir + "/agent,server=on,wait=off,id=q",
		"-device", "virtserialport,chardev=q,name=org.qemu.guest_agent.0",
		"-chardev", "socket,path=" + dir + "/serial,server=on,wait=off,id=s,logfile=" + g.console, "-serial", "chardev:s",
		"-qmp", "unix:" + dir + "/qmp,server=on,wait=off", "-device", "pcie-root-port,id=spare,slot=9",
	}, extra...)...)
	var said bytes.Buffer
	g.qemu.Stderr = &said
	if err := g.qemu.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { g.ended <- g.qemu.Wait() }()
	t.Cleanup(func() {
		g.qemu.Process.Kill()
		if t.Failed() {
			t.Logf("QEMU said %s\nthe console:\n%s", said.String(), g.log())
		}
	})
	return g
}

func (g *guest) log() string {
	data, _ := os.ReadFile(g.console)
	return string(data)
}

// waitFor waits until the console shows something that matches.
func (g *guest) waitFor(pattern string) string {
	g.t.Helper()
	expr := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if found := expr.FindString(g.log()); found != "" {
			return found
		}
		if time.Now().After(end) {
			g.t.Fatalf("the console does not show %q", pattern)
		}
	}
}

// ssh runs a command in the guest.
func (g *guest) ssh(auth ssh.AuthMethod, command string) (string, error) {
	config := &ssh.ClientConfig{User: "cirros", Auth: []ssh.AuthMethod{auth}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: patience}
	client, err := ssh.Dial("tcp", "127.0.0.1:2222", config)
	if err != nil {
		return "", err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	out, err := session.CombinedOutput(command)
	return strings.TrimSpace(string(out)), err
}

// step is one exchange on a socket: what is sent, and what must come back before the next.
type step struct {
	send, answer string
	again        bool // send it again when no answer comes
}

// talk has a conversation on one of the guest's unix sockets and returns all it heard.
func (g *guest) talk(socket string, steps ...step) string {
	g.t.Helper()
	conn, err := net.Dial("unix", filepath.Join(g.dir, socket))
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	end := time.Now().Add(patience)
	var all, got []byte
	buffer := make([]byte, 4096)
	for _, s := range steps {
		fmt.Fprintf(conn, "%s\n", s.send)
		for got = nil; !regexp.MustCompile(s.answer).Match(got); {
			conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			n, err := conn.Read(buffer)
			got = append(got, buffer[:n]...)
			all = append(all, buffer[:n]...)
			if errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(end) {
				if s.again { // what was typed while the shell asked its terminal something is lost
					fmt.Fprintf(conn, "%s\n", s.send)
				}
				continue
			}
			if err != nil {
				g.t.Fatalf("%s answered %q and not %q: %v", socket, all, s.answer, err)
			}
		}
	}
	return string(all)
}

// qmp runs commands of QEMU's monitor.
func (g *guest) qmp(commands ...string) {
	g.t.Helper()
	steps := []step{{`{"execute":"qmp_capabilities"}`, `"return"`, false}}
	for _, c := range commands {
		steps = append(steps, step{c, `"return"`, false})
	}
	if got := g.talk("qmp", steps...); strings.Contains(got, `"error"`) {
		g.t.Fatalf("QEMU says %s", got)
	}
}

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

func metadata(name, key string) []byte {
	data, _ := json.Marshal(map[string]any{
		"uuid": "6b5e6b0c-0000-4000-8000-00000000abcd", "hostname": name + ".novalocal", "name": name,
		"meta":        map[string]string{"uuid": "a trap", "text": "a \"quoted\" \\ {thing}"},
		"public_keys": map[string]string{"mykey": key + " me@home\n"}, "admin_pass": "se$ame|&1",
	})
	return data
}

// serve answers as the metadata service does, after the first tries have failed.
func serve(t *testing.T, handler http.Handler) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
}

func TestGuestWithMetadataService(t *testing.T) {
	needImage(t)
	machine.Inside(t, func(t *testing.T) {
		signer, public := newKey(t)
		tries := 0
		mux := http.NewServeMux()
		mux.HandleFunc("/openstack/latest/meta_data.json", func(w http.ResponseWriter, r *http.Request) {
			if tries++; tries <= 2 {
				http.Error(w, "not yet", http.StatusServiceUnavailable)
				return
			}
			w.Write(metadata("web1", public))
		})
		mux.HandleFunc("/openstack/latest/user_data", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "#!/bin/sh\necho user data ran on $(hostname); echo done >/root/made-by-user-data\n")
		})
		serve(t, mux)

		g := start(t, t.TempDir(), signer)
		g.waitFor(`root partition grown`)
		g.waitFor(`login:`)
		g.waitFor(`user data ran on web1`)
		t.Log(g.waitFor(`GUEST-READY host=web1 source=openstack up=[0-9.]+`))

		key := ssh.PublicKeys(signer)
		check := func(what, command, want string) {
			t.Helper()
			got, err := g.ssh(key, command)
			if err != nil || !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%s: %q, %v; want %q", what, got, err, want)
			}
		}
		check("host name", "hostname", "^web1$")
		check("sudo", "sudo -n -u root id -u", "^0$")
		check("curl", "(printf 'HTTP/1.0 200 OK\\r\\n\\r\\nhello' | nc -l -p 81 >/dev/null &); for i in $(seq 30); do curl -s http://127.0.0.1:81/ 2>/dev/null && break; sleep 1; done", "^hello$")
		const gone = "for i in $(seq 30); do pidof nc >/dev/null || break; sleep 1; done; pidof nc || true"
		check("nc sends to one after another", "(nc -p 82 -lk </dev/zero >/dev/null 2>&1 &); for i in $(seq 30); do nc -z 127.0.0.1 82 && break; sleep 1; done; "+
			"for i in 1 2; do nc -d 127.0.0.1 82 | head -c 9 | wc -c; done; killall nc; "+gone, "^9\n9$")
		check("nc runs a program for each", "(nc -p 83 -lk -e echo hello there >/dev/null 2>&1 &); (nc -u -p 83 -lk -e echo by UDP >/dev/null 2>&1 &); for i in $(seq 30); do "+
			"nc -w 1 127.0.0.1 83 </dev/null | grep hello && break; sleep 1; done; for i in 1 2; do echo hi | nc -u -w 1 127.0.0.1 83; done; killall nc; "+gone,
			"^hello there\nby UDP\nby UDP$")
		check("curl does not do all", "curl -X PUT http://127.0.0.1/ 2>&1 || true", "^curl: method PUT")
		check("root file system", "df -m / | awk 'END {print ($2 > 900)}'", "^1$")
		check("IPv4 address", "ip -4 -o address show eth0", `169\.254\.169\.10/24`)
		check("default route", "ip route", `default via 169\.254\.169\.254`)
		check("IPv6 address from a router advertisement", "for i in $(seq 60); do ip -6 -o address show eth0 scope site | grep fec0:: && break; sleep 1; done", "fec0::")
		check("user data", "cat /root/made-by-user-data", "^done$")
		check("memory in use below 64 MB", "free -m | awk '/^Mem/ {print ($3 < 64)}'", "^1$")
		check("other file systems", "dd if=/dev/zero of=/tmp/fs bs=1M count=4 2>/dev/null; mkfs.ext4 -q /tmp/fs && echo made", "^made$")
		if out, err := g.ssh(ssh.Password("se$ame|&1"), "id -u"); err != nil || out != "0" {
			t.Errorf("login with admin_pass: %q, %v", out, err)
		}
		if _, err := g.ssh(ssh.Password("gocubsgo"), "true"); err == nil {
			t.Error("the image's password still works beside admin_pass")
		}

		g.talk("agent", step{`{"execute":"guest-ping"}`, `"return"`, true})

		// A second boot of the same server does not run user data again.
		if _, err := g.ssh(key, "echo changed >/root/made-by-user-data; sync; setsid sh -c 'sleep 4; /sbin/shutdown -r now' >/dev/null 2>&1 &"); err != nil {
			t.Error(err)
		}
		g.waitFor(`(?s)GUEST-READY.*GUEST-READY`)
		check("user data ran again", "cat /root/made-by-user-data", "^changed$")

		// A network card that is plugged in later gets its address by itself.
		g.qmp(`{"execute":"netdev_add","arguments":{"type":"user","id":"n2","net":"10.7.7.0/24"}}`,
			`{"execute":"device_add","arguments":{"driver":"virtio-net-pci","netdev":"n2","id":"nic2","bus":"spare"}}`)
		g.waitFor(`dhcp: eth1 address 10\.7\.7\.`)

		began := time.Now()
		g.qmp(`{"execute":"system_powerdown"}`)
		select {
		case err := <-g.ended:
			if err != nil {
				t.Error(err)
			}
			t.Logf("power button: off after %v", time.Since(began).Round(10*time.Millisecond))
		case <-time.After(patience):
			t.Error("the power button does nothing")
		}
	})
}

func TestGuestWithConfigDrive(t *testing.T) {
	needImage(t)
	machine.Inside(t, func(t *testing.T) {
		signer, public := newKey(t)
		dir := t.TempDir()
		drive := filepath.Join(dir, "drive")
		if err := exec.Command("truncate", "-s", "8M", drive).Run(); err != nil {
			t.Fatal(err)
		}
		tree := filepath.Join(dir, "openstack", "latest")
		if err := os.MkdirAll(tree, 0o755); err != nil {
			t.Fatal(err)
		}
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		fmt.Fprint(z, "#!/bin/sh\necho zipped user data ran; exit 3\n")
		z.Close()
		os.WriteFile(filepath.Join(tree, "meta_data.json"), metadata("drive1", public), 0o600)
		os.WriteFile(filepath.Join(tree, "user_data"), zipped.Bytes(), 0o600)
		for _, argv := range [][]string{{"mkfs.vfat", "-n", "config-2", drive}, {"mcopy", "-s", "-i", drive, filepath.Dir(tree), "::/"}} {
			if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%q: %v %s", argv, err, out)
			}
		}
		g := start(t, dir, signer, "-drive", "file="+drive+",if=virtio,format=raw,readonly=on")
		g.waitFor(`zipped user data ran`)
		g.waitFor(`user data ended with status 3`)
		g.waitFor(`GUEST-READY host=drive1 source=config-drive`)
		// The serial console takes a login.
		g.talk("serial", step{"", "login: $", true}, step{"cirros", "Password: $", false}, step{"se$ame|&1", "[#$] ", false}, step{"echo $((40+2))", "42", true})
		if got, err := g.ssh(ssh.PublicKeys(signer), "hostname"); err != nil || got != "drive1" {
			t.Errorf("ssh: %q, %v", got, err)
		}
	})
}

func TestGuestWithEC2MetadataAndUEFI(t *testing.T) {
	needImage(t)
	const firmware = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	if _, err := os.Stat(firmware); err != nil {
		machine.Missing(t, "no UEFI firmware here (Debian package ovmf)")
	}
	machine.Inside(t, func(t *testing.T) {
		signer, public := newKey(t)
		mux := http.NewServeMux()
		for path, text := range map[string]string{
			"/latest/meta-data/instance-id":               "i-00000001",
			"/latest/meta-data/hostname":                  "ec2.example.org",
			"/latest/meta-data/public-keys/0/openssh-key": public,
			"/latest/user-data":                           "#cloud-config\n",
		} {
			mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, text) })
		}
		serve(t, mux)
		g := start(t, t.TempDir(), signer, "-m", "320", "-drive", "if=pflash,format=raw,readonly=on,file="+firmware)
		g.waitFor(`user data is no script: kept`)
		g.waitFor(`GUEST-READY host=ec2 source=ec2`)
		if got, err := g.ssh(ssh.PublicKeys(signer), "ls -d /sys/firmware/efi"); err != nil || got != "/sys/firmware/efi" {
			t.Errorf("not booted by UEFI: %q, %v", got, err)
		}
	})
}
