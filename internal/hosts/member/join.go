package member

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"gostack/internal/cloudca"
	"gostack/internal/hostlink"
	"gostack/internal/hosts"
)

// JoinOptions say how this machine joins.
type JoinOptions struct {
	Token hosts.Token
	// ConfigFile is written for the role of a host; Dir takes key and certificates.
	ConfigFile, Dir string
	// HostIP is this machine's address for the others; empty: the one that it reaches control from.
	HostIP string
	// StateDir goes into the configuration unless it is the default.
	StateDir string
	// Force replaces a configuration that is there; it is kept beside, under the name with .before-join.
	Force bool
	// Now is for tests; nil is time.Now.
	Now func() time.Time
}

// Joined is what has come of it.
type Joined struct {
	Host        string    `json:"host"`
	HostIP      string    `json:"host_ip"`
	Control     string    `json:"control"` // the address that answered
	Fingerprint string    `json:"ca_fingerprint"`
	Certificate time.Time `json:"certificate_until"`
	ConfigFile  string    `json:"config_file"`
	Kept        string    `json:"kept,omitempty"` // where the old configuration is
}

// Join makes this machine a host of the token's cloud. Nothing here is changed before control has agreed.
func Join(ctx context.Context, o JoinOptions) (*Joined, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if !o.Force {
		for _, f := range []string{o.ConfigFile, filepath.Join(o.Dir, authorityFile)} {
			if _, err := os.Lstat(f); err == nil {
				return nil, fmt.Errorf("%s is there already: this machine is set up for a cloud; --force replaces it (the old configuration is kept beside)", f)
			}
		}
	}
	// What cannot be written later would cost the token.
	for _, dir := range []string{filepath.Dir(o.Dir), filepath.Dir(o.ConfigFile)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	probe, err := os.CreateTemp(o.Dir, ".probe")
	if err != nil {
		return nil, err
	}
	_, _ = probe.Close(), os.Remove(probe.Name())

	key, err := cloudca.NewHolder()
	if err != nil {
		return nil, err
	}
	a, err := askToJoin(ctx, o, key)
	if err != nil {
		return nil, err
	}
	if o.HostIP == "" {
		o.HostIP = a.local
	}
	done := &Joined{Host: o.Token.Host, HostIP: o.HostIP, Control: a.control, Fingerprint: a.roots.Fingerprint(), ConfigFile: o.ConfigFile}
	if err := a.write(o, key, done); err != nil {
		return nil, err
	}
	m, err := Open(o.Dir, o.Token.Host, systemClock{}, nil)
	if err != nil {
		return nil, err
	}
	done.Certificate = m.Until()
	return done, nil
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

// agreed is what control has answered.
type agreed struct {
	hosts.JoinReply
	roots          *cloudca.Roots
	control, local string
}

// attempts is how often an address is tried when an answer is lost; the same key may come again with the same token.
const attempts = 3

// askToJoin asks control at each of the token's addresses.
func askToJoin(ctx context.Context, o JoinOptions, key *cloudca.Holder) (*agreed, error) {
	request, err := key.Request()
	if err != nil {
		return nil, err
	}
	var errs []error
	for try := range attempts {
		for _, address := range o.Token.Control {
			a, err := askAt(ctx, address, o, request)
			if err == nil {
				return a, nil
			}
			var refused *hostlink.RefusedError
			if errors.As(err, &refused) && refused.Code != hostlink.CodeFailed {
				return nil, fmt.Errorf("control at %s refuses: %w", address, err)
			}
			if errors.Is(err, errForeign) {
				return nil, fmt.Errorf("%s: %w", address, err)
			}
			if try == attempts-1 {
				errs = append(errs, fmt.Errorf("control at %s: %w", address, err))
			}
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(append(errs, ctx.Err())...)
		case <-time.After(time.Duration(try) * time.Second):
		}
	}
	return nil, fmt.Errorf("control cannot be reached from here; the token stays good: %w", errors.Join(errs...))
}

// errForeign says that somebody else answers.
var errForeign = errors.New("not the control side of the token's cloud")

func askAt(ctx context.Context, address string, o JoinOptions, request []byte) (*agreed, error) {
	a := &agreed{control: address}
	conn, err := hostlink.DialStranger(ctx, address, hosts.JoinService, hosts.JoinRequest{
		Host: o.Token.Host, Secret: o.Token.Secret, Request: request, Time: o.Now().UTC(),
	}, &a.JoinReply, func(chain []*x509.Certificate) (err error) {
		if a.roots, err = cloudca.RootsOf(chain, o.Token.Fingerprint); err != nil {
			return fmt.Errorf("%w: %w", errForeign, err)
		}
		// At a moment when it was good: whether the clocks agree is for control to say, in words.
		id, err := a.roots.Verify(chain[0], chain[0].NotBefore)
		if err != nil || !id.Control {
			return fmt.Errorf("%w: %s answers (%w)", errForeign, id, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.local, _, _ = net.SplitHostPort(conn.LocalAddr().String())
	return a, conn.Close()
}

// write stores what control gave. The configuration comes last: what has no configuration has not joined.
func (a *agreed) write(o JoinOptions, key *cloudca.Holder, done *Joined) error {
	keyText, err := key.KeyPEM()
	if err != nil {
		return err
	}
	files := map[string][]byte{keyFile: []byte(keyText.Reveal()), certificateFile: a.Certificate, authorityFile: a.roots.CertPEM()}
	if len(a.OVNCA) > 0 {
		files[ovnCAFile] = a.OVNCA
	}
	if a.BusCA != "" {
		files[busCAFile] = []byte(a.BusCA)
	}
	if err := os.Chmod(o.Dir, 0o700); err != nil {
		return err
	}
	for name, text := range files {
		if err := writeFile(filepath.Join(o.Dir, name), text); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(o.ConfigFile); err == nil {
		done.Kept = o.ConfigFile + ".before-join"
		if err := os.Rename(o.ConfigFile, done.Kept); err != nil {
			return err
		}
	}
	text, err := a.config(o)
	if err != nil {
		return err
	}
	return writeFile(o.ConfigFile, text)
}
