package api_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
)

// Serial and SPICE consoles of a host that has them, by the actions of old and the resource of today. A ticket is good for one type only.
func TestSerialAndSpiceConsoles(t *testing.T) {
	eachLive(t, func(t *testing.T, c *live) {
		c.Nova.Config.SerialURL, c.Nova.Config.SpiceURL = "ws://cloud.example:5000/serial", "http://cloud.example:5000/spice"
		id := c.boot(t, "")
		srv := c.Settled(id)
		path := base + "/servers/" + id
		member := c.As("member")
		member.Post(path+"/action", `{"os-getSerialConsole": {"type": "serial"}}`).Want(400).Says("Unavailable console type serial.")
		member.Post(path+"/action", `{"os-getSPICEConsole": {"type": "spice-html5"}}`).Want(400).Says("Unavailable console type spice-html5.")
		c.Hosts[srv.Host].Consoles = []driver.ConsoleKind{driver.ConsoleSerial, driver.ConsoleSPICE}
		member.Post(path+"/action", `{"os-getVNCConsole": {"type": "novnc"}}`).Want(400).Says("Unavailable console type novnc.")
		member.Post(path+"/action", `{"os-getSerialConsole": {"type": "novnc"}}`).Want(400)
		member.At("compute 2.8").Post(path+"/remote-consoles", `{"remote_console": {"protocol": "vnc", "type": "serial"}}`).Want(400)
		member.At("compute 2.6").Post(path+"/action", `{"os-getSerialConsole": {"type": "serial"}}`).Want(404)
		token := func(text string) string {
			t.Helper()
			u, err := url.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			return u.Query().Get("token")
		}
		old := member.Post(path+"/action", `{"os-getSerialConsole": {"type": "serial"}}`).Want(200).Has("console.type", "serial").Text("console.url")
		if want := "ws://cloud.example:5000/serial/?token=" + token(old); old != want {
			t.Errorf("serial console at %s, want %s", old, want)
		}
		spice := member.At("compute 2.6").Post(path+"/remote-consoles", `{"remote_console": {"protocol": "spice", "type": "spice-html5"}}`).Want(200).Has("remote_console.protocol", "spice").Text("remote_console.url")
		if want := "http://cloud.example:5000/spice/spice_auto.html?token=" + token(spice) + "&path=spice%2Fwebsockify"; spice != want {
			t.Errorf("SPICE console at %s, want %s", spice, want)
		}
		now := token(member.At("compute 2.6").Post(path+"/remote-consoles", `{"remote_console": {"protocol": "serial", "type": "serial"}}`).Want(200).Text("remote_console.url"))
		c.As("admin").At("compute 2.31").Get(base+"/os-console-auth-tokens/"+now).Want(200).Has("console.instance_uuid", id).Has("console.port", 5900)
		c.As("admin").At("compute 2.30").Get(base + "/os-console-auth-tokens/" + now).Want(401)
		for _, x := range []struct {
			kind, token string
			good        bool
		}{{nova.ConsoleSerial, now, true}, {nova.ConsoleSPICE, now, false}, {nova.ConsoleSPICE, token(spice), true}, {nova.ConsoleNoVNC, token(spice), false}, {nova.ConsoleSerial, "none", false}} {
			_, _, server, err := c.Nova.ValidateConsole(t.Context(), x.kind, x.token)
			if (err == nil) != x.good || x.good && server != id {
				t.Errorf("%s with %s: %q, %v", x.kind, x.token, server, err)
			}
		}
		// Whoever has resized a server looks at its console before the resize is confirmed. One that is off has none.
		c.AddHost("host-2")
		c.Hosts["host-2"].Consoles = c.Hosts[srv.Host].Consoles
		open := func(code int) string {
			t.Helper()
			return string(member.Post(path+"/action", `{"os-getSerialConsole": {"type": "serial"}}`).Want(code).Body)
		}
		c.As("manager").Post(path+"/action", `{"migrate": null}`).Want(202)
		c.Settled(id)
		open(200)
		member.Post(path+"/action", `{"confirmResize": null}`).Want(204)
		c.Settled(id)
		member.Post(path+"/action", `{"os-stop": null}`).Want(202)
		c.Settled(id)
		if got := open(409); !strings.Contains(got, "Cannot 'get_serial_console' instance "+id+" while it is in vm_state stopped") {
			t.Errorf("%s", got)
		}
		c.As("member").Delete(path).Want(204)
		c.Settled(id)
		if _, _, _, err := c.Nova.ValidateConsole(t.Context(), nova.ConsoleSerial, now); !errors.Is(err, nova.ErrConsoleToken) {
			t.Errorf("the ticket of a server that is gone: %v", err)
		}
	})
}
