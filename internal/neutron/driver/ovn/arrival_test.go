package ovn

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/ovn/ovntest"
	"gostack/test/machine"
)

// What the port's binding says of the new host may be the old one's word still: a server that has arrived is heard when the new host itself
// has answered.
func TestArrivedServerIsHeardWhenItsHostTranslates(t *testing.T) {
	machine.Inside(t, func(t *testing.T) {
		ovntest.StartDatabases(t)
		b := Open(Config{Northbound: []string{ovntest.Northbound}, Southbound: []string{ovntest.Southbound}, ArrivalPatience: 10 * time.Minute})
		defer b.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		addChassis(t, ctx, b, "h1", "")
		addChassis(t, ctx, b, "h2", "")
		chassis := func(name string) string {
			return ovntest.Run(t, "ovn-sbctl", "--bare", "--columns=_uuid", "find", "Chassis", "name="+name)
		}
		for _, name := range []string{"h1", "h2"} {
			ovntest.Run(t, "ovn-sbctl", "create", "Chassis_Private", "name="+name, "chassis="+chassis(name))
		}
		port := driver.PortSpec{ID: uuid.NewString(), NetworkID: uuid.NewString(), MAC: "fa:16:3e:00:00:01", Type: driver.NormalPort, AdminStateUp: true, Host: "h1", Revision: 1}
		if err := b.EnsureNetwork(ctx, driver.NetworkSpec{ID: port.NetworkID, Name: "n", Revision: 1, Type: driver.Geneve, Segment: 7, MTU: 1442}); err != nil {
			t.Fatal(err)
		}
		ensure := func(change func(*driver.PortSpec)) {
			t.Helper()
			change(&port)
			port.Revision++
			if err := b.EnsurePort(ctx, port); err != nil {
				t.Fatal(err)
			}
		}
		ensure(func(*driver.PortSpec) {})
		ovntest.Run(t, "ovn-sbctl", "--id=@d", "create", "Datapath_Binding", "tunnel_key=1", "--",
			"create", "Port_Binding", "logical_port="+port.ID, "datapath=@d", "tunnel_key=1", "chassis="+chassis("h1"), "up=true")
		ensure(func(p *driver.PortSpec) { p.MigratingTo, p.Translated = "h2", true })
		heard := func() bool {
			return strings.TrimSpace(ovntest.Run(t, "ovn-nbctl", "--bare", "--columns=enabled", "find", "Logical_Switch_Port", "name="+port.ID)) == "true"
		}
		port.Host, port.MigratingTo = "h2", ""
		port.Revision++
		done := make(chan error, 1)
		go func() { done <- b.EnsurePort(ctx, port) }()
		ovntest.Eventually(t, "the port is silent", func() bool { return !heard() })
		binding := ovntest.Run(t, "ovn-sbctl", "--bare", "--columns=_uuid", "find", "Port_Binding", "logical_port="+port.ID)
		ovntest.Run(t, "ovn-sbctl", "set", "Port_Binding", binding, "chassis="+chassis("h2"), "up=true")
		asked := 0
		ovntest.Eventually(t, "the hosts are asked", func() bool {
			raw := ovntest.Run(t, "ovn-nbctl", "get", "NB_Global", ".", "nb_cfg")
			return json.Unmarshal([]byte(raw), &asked) == nil && asked > 0
		})
		answer := func(host string) {
			ovntest.Run(t, "ovn-sbctl", "set", "Chassis_Private", host, fmt.Sprintf("nb_cfg=%d", asked), fmt.Sprintf("nb_cfg_timestamp=%d", time.Now().UnixMilli()))
		}
		answer("h1")
		select {
		case err := <-done:
			t.Fatalf("it did not wait for the new host: %v", err)
		case <-time.After(300 * time.Millisecond):
		}
		if heard() {
			t.Error("the server is heard before its host translates")
		}
		answer("h2")
		if err := <-done; err != nil || !heard() {
			t.Errorf("the host has answered: %v, heard: %v", err, heard())
		}
	})
}
