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
	if err := c.open(wrong).Ready(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate for another name: %v", err)
	}
	if err := c.open(at("localhost")).Ready(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an authority that nobody trusts: %v", err)
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
	err = b.Ready()
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	stop, err := b.Serve(bus.To{Topic: "calc"}, who)
	must(t, err)
	stop()
}
