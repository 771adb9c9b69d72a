package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gostack/internal/engine/command"
	"gostack/internal/hosts"
)

// southboundPort is where OVN's southbound database listens by convention.
const southboundPort = "6642"

// southboundForHosts is where other machines find the southbound database: a socket of this machine is no address for them, but control opens a port beside it
// (exposeSouthbound).
func southboundForHosts(address, hostIP string) string {
	if strings.HasPrefix(address, "unix:") {
		return "ssl:" + net.JoinHostPort(hostIP, southboundPort)
	}
	return address
}

// southboundTLS is how this process's agents talk to the southbound database: with the host's own certificate, or on a control machine with control's.
func (h *House) southboundTLS() *tls.Config {
	switch {
	case h.Member != nil:
		return h.Member.SouthboundTLS()
	case h.Hosts != nil:
		return h.Hosts.SouthboundTLS()
	}
	return nil
}

// adminOVNCertificate makes what the machine of OVN's databases needs to be reached by TLS.
func (h *House) adminOVNCertificate(w http.ResponseWriter, r *http.Request) {
	if !h.onlyControl(w, "gostack ovn certificate") {
		return
	}
	s, err := h.Hosts.OVNServer(r.Context(), hosts.ServerLife)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, s)
}

// OVNServerFiles are the names under which WriteOVNServer leaves what the machine of OVN's databases needs.
var OVNServerFiles = struct{ Key, Certificate, HostsCA, ControlCA string }{"key.pem", "cert.pem", "hosts-ca.pem", "control-ca.pem"}

// WriteOVNServer writes the files into a directory that only root reads. The key comes last: OVN reads key and certificate again when both have changed.
func WriteOVNServer(dir string, s *hosts.OVNServer) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f := OVNServerFiles
	for _, file := range [][2]string{{f.HostsCA, s.HostsCA}, {f.ControlCA, s.ControlCA}, {f.Certificate, s.Certificate}, {f.Key, s.Key}} {
		path := filepath.Join(dir, file[0])
		if err := os.WriteFile(path+".part", []byte(file[1]), 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".part", path); err != nil {
			return err
		}
	}
	return nil
}

// southboundDoor opens the southbound database of this machine's own OVN to the cloud's other hosts: by TLS, in the role ovn-controller. It does so on a control
// machine that has a broker, so that hosts can join, and whose OVN is reached by a unix socket.
type southboundDoor struct {
	hosts    *hosts.Service
	database string // "unix:/run/ovn/ovnsb_db.sock"
	dir      string // of the server's key and certificate
	log      *slog.Logger
}

// withSouthboundDoor is a worker that keeps the door open besides its work, where there is one to keep.
func (h *House) withSouthboundDoor(run func(context.Context) error) func(context.Context) error {
	cfg := h.Config
	if cfg.Bus == "" || !strings.HasPrefix(cfg.Neutron.OVNSouthbound, "unix:") || cfg.Nova.Driver == "simulated" {
		return run
	}
	door := &southboundDoor{hosts: h.Hosts, database: cfg.Neutron.OVNSouthbound, dir: filepath.Join(cfg.StateDir, "ovn"), log: h.Log}
	return func(ctx context.Context) error {
		var beside sync.WaitGroup
		defer beside.Wait()
		beside.Go(func() { door.run(ctx) })
		return run(ctx)
	}
}

const (
	doorLife  = 60 * 24 * time.Hour
	doorAgain = 30 * 24 * time.Hour // left of its life when it is made again
	doorLook  = 6 * time.Hour
	doorRetry = 5 * time.Second
)

// run keeps the door open until ctx ends.
func (d *southboundDoor) run(ctx context.Context) {
	told := ""
	for {
		wait := doorLook
		if err := d.open(ctx); err != nil && ctx.Err() == nil {
			wait = doorRetry
			if err.Error() != told {
				d.log.Warn("OVN's southbound database is not open to other hosts yet", "error", err)
			}
			told = err.Error()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// open renews the server's certificate in time, and has the database listen unless it does.
func (d *southboundDoor) open(ctx context.Context) error {
	if err := d.renew(ctx); err != nil {
		return err
	}
	f := func(name string) string { return filepath.Join(d.dir, name) }
	listeners, err := d.sbctl(ctx, "get-connection")
	if err != nil {
		return err
	}
	certificates, err := d.sbctl(ctx, "get-ssl")
	if err != nil {
		return err
	}
	if !strings.Contains(certificates, d.dir) {
		if strings.Contains(certificates, "/") && strings.TrimSpace(listeners) != "" {
			return nil // the operator has done it
		}
		if _, err := d.sbctl(ctx, "set-ssl", f(OVNServerFiles.Key), f(OVNServerFiles.Certificate), f(OVNServerFiles.HostsCA)); err != nil {
			return err
		}
	}
	switch lines := strings.Fields(listeners); {
	case strings.Contains(listeners, "pssl:"+southboundPort):
		return nil
	case len(lines) > 0:
		return fmt.Errorf("it has connections that somebody else has set (%s); see Hosts in the operator's manual for those that it should have", strings.Join(lines, " "))
	}
	_, err = d.sbctl(ctx, "set-connection", "role=ovn-controller", "pssl:"+southboundPort)
	if err == nil {
		d.log.Info("OVN's southbound database listens for hosts", "port", southboundPort)
	}
	return err
}

func (d *southboundDoor) sbctl(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return command.Run(ctx, append([]string{"ovn-sbctl", "--timeout=15", "--db=" + d.database}, args...)...)
}

// renew makes key and certificate anew when they are not there, of another cloud, or not good for long.
func (d *southboundDoor) renew(ctx context.Context) error {
	central, err := d.hosts.OVNAuthority(ctx)
	if err != nil {
		return err
	}
	text, _ := os.ReadFile(filepath.Join(d.dir, OVNServerFiles.Certificate))
	if block, _ := pem.Decode(text); block != nil {
		c, err := x509.ParseCertificate(block.Bytes)
		if err == nil {
			_, err = central.Verify(c, time.Now().Add(doorAgain))
		}
		if err == nil {
			return nil
		}
	}
	s, err := d.hosts.OVNServer(ctx, doorLife)
	if err != nil {
		return err
	}
	return WriteOVNServer(d.dir, s)
}
