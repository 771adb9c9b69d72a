package rabbittest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gostack/test/freeport"
)

// Cluster is RabbitMQ on several nodes, each of which can be ended and started by itself. It ends with the test.
type Cluster struct{ Nodes []*Broker }

// StartCluster starts a cluster of n nodes. Its nodes find each other by an Erlang port mapper that is no node's child.
func StartCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	dir, err := newDir()
	if err != nil {
		if os.Getenv("GOSTACK_REQUIRE") == "all" {
			t.Fatalf("RabbitMQ is required here: %v", err)
		}
		t.Skipf("NOT TESTED with a cluster of RabbitMQ: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(dir, ".erlang.cookie"), []byte(rand.Text()), 0o400))
	ports, err := freeport.Ports(4*n + 1)
	must(err)
	epmd := apart("epmd", append(os.Environ(), "ERL_EPMD_PORT="+ports[4*n], "ERL_EPMD_ADDRESS=127.0.0.1"), dir)
	alive, err := epmd.StdinPipe()
	must(err)
	must(epmd.Start())
	t.Cleanup(func() { _ = alive.Close(); _ = epmd.Process.Kill(); _ = epmd.Wait() })
	names := make([]string, n)
	for i := range names {
		names[i] = "gostack" + ports[4*i] + "@localhost"
	}
	c := &Cluster{}
	password := rand.Text()
	for i, name := range names {
		b := &Broker{User: "administrator", Password: password, dir: filepath.Join(dir, fmt.Sprint(i+1))}
		must(os.Mkdir(b.dir, 0o700))
		must(b.prepare(node{name: name, home: dir, ports: ports[4*i : 4*i+4], epmd: ports[4*n], peers: names}))
		c.Nodes = append(c.Nodes, b)
		t.Cleanup(b.Kill)
		b.Restart(t) // one after the other: the first makes the cluster
	}
	c.Await(t, n)
	return c
}

// Await waits until n nodes are in the cluster and run.
func (c *Cluster) Await(t testing.TB, n int) {
	t.Helper()
	for end := time.Now().Add(startTimeout); ; time.Sleep(100 * time.Millisecond) {
		up, err := c.up()
		if up == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d nodes run, not %d: %v", up, n, err)
		}
	}
}

// up counts the nodes that run, as the first that answers sees it.
func (c *Cluster) up() (int, error) {
	var err error
	for _, b := range c.Nodes {
		if !b.up() {
			continue
		}
		var nodes []struct{ Running bool }
		if err = b.get("/api/nodes", &nodes); err != nil {
			continue
		}
		up := 0
		for _, n := range nodes {
			if n.Running {
				up++
			}
		}
		return up, nil
	}
	return 0, err
}

func (b *Broker) get(path string, into any) error {
	req, err := http.NewRequest(http.MethodGet, "http://"+b.ManagementAddr+path, http.NoBody)
	if err != nil {
		return err
	}
	req.SetBasicAuth(b.User, b.Password)
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s %s", path, resp.Status, said)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// Queue says of what type a queue is and on how many nodes it is.
func (c *Cluster) Queue(t testing.TB, vhost, name string) (kind string, members int) {
	t.Helper()
	var q struct {
		Type    string
		Members []string
	}
	if err := c.Nodes[0].get("/api/queues/"+vhost+"/"+name, &q); err != nil {
		t.Fatal(err)
	}
	return q.Type, len(q.Members)
}

// URL is how user reaches a virtual host on whichever node is there.
func (c *Cluster) URL(user, password, vhost string) string {
	addresses := make([]string, len(c.Nodes))
	for i, b := range c.Nodes {
		addresses[i] = b.Addr
	}
	return strings.Replace(c.Nodes[0].URL(user, password, vhost), c.Nodes[0].Addr, strings.Join(addresses, ","), 1)
}
