package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/vishvananda/netns"
	"golang.org/x/crypto/ssh"
)

// dial connects from inside the machine's network.
func (c *cloud) dial(ctx context.Context, network, address string) (net.Conn, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	outside, err := netns.Get()
	if err != nil {
		return nil, err
	}
	defer func() { _ = outside.Close() }()
	inside, err := netns.GetFromPath("/proc/" + c.PID + "/ns/net")
	if err != nil {
		return nil, err
	}
	defer func() { _ = inside.Close() }()
	if err := netns.Set(inside); err != nil {
		return nil, err
	}
	defer func() {
		if err := netns.Set(outside); err != nil {
			panic(err) // this thread must not serve anybody else
		}
	}()
	// A literal address is dialled in this goroutine, so in this network.
	return (&net.Dialer{Timeout: 20 * time.Second}).DialContext(ctx, network, address)
}

func (c *cloud) http() *http.Client {
	return &http.Client{Transport: listener{c, &http.Transport{DialContext: c.dial}}}
}

// gopher is gophercloud, logged in as a user of the machine's cloud.
type gopher struct {
	compute, network, image, identity *gophercloud.ServiceClient
}

func (c *cloud) gopher(user, project, password string) *gopher {
	c.t.Helper()
	ctx := context.Background()
	p, err := openstack.NewClient("http://127.0.0.1:5000/identity/v3")
	if err != nil {
		c.t.Fatal(err)
	}
	p.HTTPClient = *c.http()
	err = openstack.Authenticate(ctx, p, gophercloud.AuthOptions{
		IdentityEndpoint: "http://127.0.0.1:5000/identity/v3", Username: user, Password: password, DomainName: "Default", TenantName: project, AllowReauth: true,
	})
	if err != nil {
		c.t.Fatalf("gophercloud as %s: %v", user, err)
	}
	g := &gopher{}
	where := gophercloud.EndpointOpts{Region: "RegionOne"}
	for _, s := range []struct {
		into **gophercloud.ServiceClient
		open func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)
	}{{&g.compute, openstack.NewComputeV2}, {&g.network, openstack.NewNetworkV2}, {&g.image, openstack.NewImageV2}, {&g.identity, openstack.NewIdentityV3}} {
		if *s.into, err = s.open(p, where); err != nil {
			c.t.Fatal(err)
		}
	}
	return g
}

// administrator is gophercloud as admin, with the password of the first start.
func (c *cloud) administrator() *gopher {
	c.t.Helper()
	b, err := os.ReadFile(c.Path("/var/lib/gostack/keystone/admin-password"))
	if err != nil {
		c.t.Fatal(err)
	}
	return c.gopher("admin", "admin", strings.TrimSpace(string(b)))
}

// shell runs a command in a guest over SSH with Go's client, as soon as the guest lets us in.
func (c *cloud) shell(key ssh.Signer, address, command string) string {
	c.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		b, err := c.shellOnce(key, address, command)
		if err == nil {
			return strings.TrimSpace(string(b))
		}
		if time.Now().After(end) {
			c.t.Fatalf("in vain: %q on %s: %v", command, address, err)
		}
	}
}

func (c *cloud) shellOnce(key ssh.Signer, address, command string) ([]byte, error) {
	conn, err := c.dial(context.Background(), "tcp", net.JoinHostPort(address, "22"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(90 * time.Second))
	sc, chans, reqs, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: "cirros", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the guest was made a moment ago
	})
	if err != nil {
		return nil, err
	}
	client := ssh.NewClient(sc, chans, reqs)
	defer func() { _ = client.Close() }()
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	out, err := session.CombinedOutput(command)
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return out, err
}
