package amqp_test

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gostack/internal/bus"
	"gostack/internal/bus/amqp"
	"gostack/internal/bus/amqp/rabbittest"
	"gostack/internal/bus/bustest"
	"gostack/internal/secret"
)

func TestMain(m *testing.M) {
	code := m.Run()
	rabbittest.Close()
	err := goleak.Find() // for a second only, too little for a busy machine
	for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); {
		err = goleak.Find()
	}
	if err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// cloud is a virtual host of its own, with a control side's user.
type cloud struct {
	*rabbittest.Broker
	t        testing.TB
	vhost    string
	admin    *amqp.Admin
	password secret.String
	cluster  *rabbittest.Cluster // nil: the one broker
}

const controlPassword = "control/passw:rd@" // needs escaping in URLs

func newCloud(t testing.TB) *cloud {
	t.Helper()
	b := rabbittest.Start(t)
	c := &cloud{Broker: b, t: t, vhost: b.NewVHost(t), password: secret.New(controlPassword)}
	c.prepare()
	return c
}

// prepare makes the virtual host and its users as control does.
func (c *cloud) prepare() {
	t := c.t
	t.Helper()
	var err error
	if c.admin, err = amqp.OpenAdmin(c.AdminURL(""), c.vhost, "", "", ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.admin.Close)
	c.admin.HostTopics, c.admin.ControlTopics = []string{"nova-compute"}, []string{"nova-conductor", "nova-metadata"}
	must(t, c.admin.EnsureVhost(t.Context()))
	must(t, c.admin.EnsureControlUser(t.Context(), c.password))
}

// url is how a user reaches the virtual host.
func (c *cloud) url(user, password string) string {
	if c.cluster != nil {
		return c.cluster.URL(user, password, c.vhost)
	}
	return c.URL(user, password, c.vhost)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *cloud) options(url string) amqp.Options {
	return amqp.Options{
		URL: url, Name: c.t.Name(), Log: slog.New(slog.NewTextHandler(logTo, nil)), MinBackoff: 20 * time.Millisecond, MaxBackoff: 200 * time.Millisecond,
	}
}

// open connects with options, until the test ends.
func (c *cloud) open(o amqp.Options) *amqp.Bus {
	c.t.Helper()
	b, err := amqp.Open(o)
	must(c.t, err)
	c.t.Cleanup(func() { _ = b.Close() })
	return b
}

func (c *cloud) control() *amqp.Bus {
	c.t.Helper()
	return c.open(c.options(c.url(amqp.ControlUser, c.password.Reveal())))
}

func (c *cloud) asHost(name string) *amqp.Bus {
	c.t.Helper()
	password, err := c.admin.EnsureHostUser(c.t.Context(), name)
	must(c.t, err)
	return c.open(c.options(c.url(amqp.HostUser(name), password.Reveal())))
}

func TestConformance(t *testing.T) {
	bustest.Conform(t, func(t *testing.T, n int) []bus.Bus {
		c := newCloud(t)
		handles := make([]bus.Bus, n)
		for i := range handles {
			handles[i] = c.control()
		}
		return handles
	})
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited until %s", what)
		}
	}
}

// logTo is where the transports of tests log: nowhere, unless somebody is hunting something.
var logTo = io.Discard
