package app

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"gostack/internal/config"
)

// The socket of a gostack that dies holds nobody up for longer than it takes to die; one that lives does.
func TestOneGostackPerRunDirectory(t *testing.T) {
	house := &House{Config: &config.Config{RunDir: t.TempDir()}}
	path := AdminSocket(house.Config.RunDir)
	dying, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go func() { // what is connected before the end is cut off by it
		c, err := dying.Accept()
		time.Sleep(50 * time.Millisecond)
		_ = dying.Close()
		if err == nil {
			_ = c.Close()
		}
	}()
	if err := house.ServeAdmin(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := &House{Config: house.Config}
	if err := second.ServeAdmin(t.Context()); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("a second one: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error("the second one took the first one's socket away")
	}
}
