package lab_test

import (
	"testing"
	"time"

	"gostack/test/lab"
)

// TestLab walks as a tenant through a cloud of three hosts, and lets one part of it after the other die: guests and their connections go on,
// and what is under way is finished.
func TestLab(t *testing.T) {
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		w := newWalk(t, l)
		w.services()
		w.tell("every service is up")
		one, two, three := w.boot("one", "host1"), w.boot("two", "host2"), w.boot("three", "host3")
		for _, g := range []*guest{one, two, three} {
			w.await(g, "ACTIVE")
		}
		if one.host != "host1" || two.host != "host2" || three.host != "host3" {
			t.Fatalf("servers are on %s, %s, %s", one.host, two.host, three.host)
		}
		w.tell("three servers on three hosts are ACTIVE")
		w.float(one)
		shell := w.mustShell(one)
		w.tell("ssh through a floating IP")
		// Over the tunnels between hosts, the metadata service of its own host, and the screen of a server that is elsewhere than the proxy.
		w.eventually("guests on three hosts reach each other", func() error {
			_, err := says(shell, "ping -c 1 -W 2 "+two.fixed+" && ping -c 1 -W 2 "+three.fixed)
			return err
		})
		if out, err := says(shell, "wget -q -O - http://169.254.169.254/latest/meta-data/hostname"); err != nil || out != "one.novalocal" {
			t.Errorf("metadata says %q, %v", out, err)
		}
		for _, g := range []*guest{one, two, three} {
			w.screen(g)
		}
		w.clean()

		w.tell("they reach each other, metadata and consoles")

		// A replica dies while it works.
		for _, m := range l.Controls {
			g := w.boot("orphan", "")
			w.must(m.Gostack().Kill(t.Context()))
			begin := time.Now()
			w.await(g, "ACTIVE")
			w.tell("with %s killed, a server became ACTIVE after %s", m.Name, time.Since(begin).Round(time.Millisecond))
			w.must(m.Gostack().Start(t.Context()))
			w.delete(g)
		}

		// What dies does not hurt guests: the connection that was there before is there afterwards, and meanwhile.
		for _, outage := range []struct {
			name  string
			parts []*lab.Process
		}{
			{"control", []*lab.Process{l.Controls[0].Gostack(), l.Controls[1].Gostack()}},
			{"RabbitMQ", []*lab.Process{l.Rabbit}},
			{"PostgreSQL", []*lab.Process{l.Postgres}},
			{"OVN central", []*lab.Process{l.Northd, l.Northbound, l.Southbound}},
			{"agent", []*lab.Process{l.Hosts[0].Gostack()}},
		} {
			for _, p := range outage.parts {
				w.must(p.Kill(t.Context()))
			}
			if _, err := says(shell, "ping -c 3 -W 10 "+two.fixed+" && ping -c 3 -W 10 "+three.fixed); err != nil {
				t.Errorf("without %s, a guest does not reach the others: %v", outage.name, err)
			}
			for _, p := range outage.parts {
				w.must(p.Start(t.Context()))
			}
			begin := time.Now()
			g := w.boot("after", "host1")
			w.await(g, "ACTIVE")
			w.tell("after %s came back, a server became ACTIVE within %s", outage.name, time.Since(begin).Round(time.Millisecond))
			w.delete(g)
			if _, err := says(shell, "ping -c 3 -W 10 "+two.fixed); err != nil {
				t.Errorf("after %s came back: %v", outage.name, err)
			}
		}
		w.services()
		w.clean()
		w.moves(one, shell, "host2", "host1", two, three)
		w.delete(one, two, three)
		w.clean()
	})
}
