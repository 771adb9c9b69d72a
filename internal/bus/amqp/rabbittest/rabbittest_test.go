package rabbittest_test

import (
	"net"
	"os"
	"testing"

	"go.uber.org/goleak"

	"gostack/internal/bus/amqp/rabbittest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	rabbittest.Close()
	if err := goleak.Find(); err != nil && code == 0 {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

func TestBrokerStopsAndComesBack(t *testing.T) {
	b := rabbittest.Start(t)
	b.NewVHost(t)
	b.Stop()
	if c, err := net.Dial("tcp", b.Addr); err == nil {
		c.Close()
		t.Error("it listens after its end")
	}
	if again := rabbittest.Start(t); again != b {
		t.Error("a second broker in one binary")
	}
	c, err := net.Dial("tcp", b.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
