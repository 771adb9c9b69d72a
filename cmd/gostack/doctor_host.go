package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"gostack/internal/bus/amqp"
	"gostack/internal/clock"
	"gostack/internal/cloudca"
	"gostack/internal/config"
	"gostack/internal/engine/host"
	"gostack/internal/hostlink"
	"gostack/internal/hosts"
	"gostack/internal/hosts/member"
)

// doctorMember looks at what ties a host to its cloud: certificate, control, message broker. Nothing on a machine that is no host.
func doctorMember(ctx context.Context, cfg *config.Config) []host.Finding {
	if !cfg.IsHost() {
		return nil
	}
	m, err := member.Open(member.Dir(cfg.StateDir), cfg.Host, clock.System, nil)
	if err != nil {
		return []host.Finding{{Name: "certificate", Level: host.Broken, What: err.Error(), Do: "on control: gostack token create --host " + cfg.Host + "; here: gostack join --force TOKEN"}}
	}
	certificate := host.Finding{Name: "certificate", Level: host.OK, What: "good until " + m.Until().Local().Format(time.DateTime) + ", renewed every day"}
	control := host.Finding{Name: "control", Level: host.OK, What: fmt.Sprintf("answers at %v", cfg.Control)}
	link := hostlink.New(hostlink.Options{Self: cloudca.Identity{Host: cfg.Host}, Control: cfg.Control, Credentials: m.Credentials})
	defer link.Stop()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := link.Dial(ctx, link.Control(), hosts.RemovedService, nil)
	switch code := hostlink.Code(err); {
	case err == nil:
		_ = conn.Close()
	case code == hostlink.CodeStranger, code == hostlink.CodeExpired:
		certificate.Level, certificate.What = host.Broken, err.Error()
		certificate.Do = "on control: gostack token create --host " + cfg.Host + "; here: gostack join --force TOKEN"
	case code == hostlink.CodeSkew:
		control.Level, control.What, control.Do = host.Broken, err.Error(), "set this machine's clock"
	default:
		control.Level, control.What = host.Broken, err.Error()
		control.Do = "see whether control runs, and whether its port of hostlink (5002) is open from here; servers run on meanwhile"
	}
	return []host.Finding{certificate, control, doctorBroker(ctx, cfg)}
}

// doctorOVN looks at OVN's databases on other machines: both from control, the southbound one from a host.
func doctorOVN(ctx context.Context, cfg *config.Config) []host.Finding {
	addresses := map[string]string{"southbound": cfg.Neutron.OVNSouthbound}
	if !cfg.IsHost() {
		addresses["northbound"] = cfg.Neutron.OVNNorthbound
	}
	return host.OVNDatabases(ctx, time.Now(), addresses)
}

// doctorBroker looks whether the message broker can be reached. Whether it lets this host in gostack status tells.
func doctorBroker(ctx context.Context, cfg *config.Config) host.Finding {
	f := host.Finding{Name: "message broker", Level: host.OK}
	address, err := amqp.ParseURL(cfg.Bus)
	if err != nil {
		f.Level, f.What, f.Do = host.Broken, err.Error(), "correct bus in the configuration"
		return f
	}
	for _, a := range address.Hosts {
		var conn net.Conn
		if conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", a); err == nil {
			_ = conn.Close()
			f.What = "listens at " + a
			return f
		}
	}
	f.Level, f.What, f.Do = host.Broken, err.Error(), "see whether RabbitMQ runs there, and whether its port is open from here; servers run on meanwhile"
	return f
}
