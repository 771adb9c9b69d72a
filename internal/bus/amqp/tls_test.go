package amqp_test

import (
	"strings"
	"testing"

	"gostack/internal/bus"
	"gostack/internal/bus/amqp"
)

func TestTLSChecksTheHostName(t *testing.T) {
	c := newCloud(t)
	at := func(name string) amqp.Options {
		return c.options(c.TLSURL(amqp.ControlUser, c.password.Reveal(), c.vhost, name))
	}
	o := at("localhost")
	o.CAFile, o.CertFile, o.KeyFile = c.CAFile, c.ClientCert, c.ClientKey
	b := c.open(o)
	serve(t, b, bus.To{Topic: "calc"}, who)
	must(t, b.Call(t.Context(), bus.To{Topic: "calc"}, "who", nil, nil))

	wrong := at("127.0.0.1")
	wrong.CAFile = c.CAFile
	for what, o := range map[string]amqp.Options{"a certificate for another name": wrong, "an authority that nobody trusts": at("localhost")} {
		refused := c.open(o)
		await(t, "the bus says what is wrong with "+what, func() bool { // the first attempt may take its time
			err := refused.Ready()
			if err == nil {
				t.Fatalf("%s is good", what)
			}
			return strings.Contains(err.Error(), "certificate")
		})
	}
	missing := at("localhost")
	missing.CAFile = "/does/not/exist"
	if _, err := amqp.Open(missing); err == nil {
		t.Error("a missing file is no error")
	}
}

func TestAddresses(t *testing.T) {
	a, err := amqp.ParseURL("amqps://gostack-control:p%2Fa%40s:s@h1,h2:5670,[::1]:1/my%2Fcloud")
	if err != nil || a.User != "gostack-control" || a.Password.Reveal() != "p/a@s:s" || a.VHost != "my/cloud" || !a.TLS ||
		strings.Join(a.Hosts, " ") != "h1:5671 h2:5670 [::1]:1" {
		t.Errorf("%+v %v", a, err)
	}
	if a, err := amqp.ParseURL("amqp://u:p@h"); err != nil || a.VHost != "/" || a.Hosts[0] != "h:5672" || a.TLS {
		t.Errorf("%+v %v", a, err)
	}
	for _, bad := range []string{"", "http://u:hunter2@h", "amqp://h", "amqp://:hunter2@h", "amqp://u:hunter2%zz@h", "amqp://u:hunter2@", "amqp://u:hunter2@h,,i"} {
		if _, err := amqp.ParseURL(bad); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := amqp.Open(amqp.Options{URL: "amqp://somebody:x@127.0.0.1"}); err == nil {
		t.Error("a user who is neither host nor control side")
	}
}

func TestAnUnreachableBrokerIsNamed(t *testing.T) {
	b, err := amqp.Open(amqp.Options{URL: "amqp://gostack-control:hunter2@127.0.0.1:1/v"})
	must(t, err)
	t.Cleanup(func() { _ = b.Close() })
	await(t, "the broker is named", func() bool {
		err := b.Ready()
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Fatal(err)
		}
		return strings.Contains(err.Error(), "127.0.0.1:1") && strings.Contains(err.Error(), "refused")
	})
	stop, err := b.Serve(bus.To{Topic: "calc"}, who)
	must(t, err)
	stop()
}
