package member

import (
	"bytes"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// hostConfig are the keys that a host's configuration begins with; see package config for what they mean.
type hostConfig struct {
	Host     string      `yaml:"host"`
	HostIP   string      `yaml:"host_ip"`
	Region   string      `yaml:"region"`
	StateDir string      `yaml:"state_dir,omitempty"`
	Control  []string    `yaml:"control"`
	Bus      string      `yaml:"bus"`
	BusCA    string      `yaml:"bus_ca,omitempty"`
	Neutron  hostNeutron `yaml:"neutron"`
}

type hostNeutron struct {
	OVNSouthbound string `yaml:"ovn_southbound"`
}

// config is the configuration of a host that has joined.
func (a *agreed) config(o JoinOptions) ([]byte, error) {
	c := hostConfig{
		Host: o.Token.Host, HostIP: o.HostIP, Region: a.Settings.Region, StateDir: o.StateDir, Control: a.Settings.Control, Bus: a.Bus,
		Neutron: hostNeutron{OVNSouthbound: a.Settings.OVNSouthbound},
	}
	if len(c.Control) == 0 {
		c.Control = o.Token.Control
	}
	if a.BusCA != "" {
		c.BusCA = filepath.Join(o.Dir, busCAFile)
	}
	var b bytes.Buffer
	b.WriteString("# Written by gostack join. It holds this host's password for the message broker: keep it from others.\n# gostack config explain tells every key.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(c); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}
