// Package config reads the one configuration file.
//
// The file is YAML with few keys, each with a default that is right for one machine; an unknown key is an error. An environment variable
// GOSTACK_SECTION_KEY overrides a key. What an operator changes while the cloud runs is not here but an API resource.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// DefaultFile is where the file is unless --config says otherwise.
const DefaultFile = "/etc/gostack/gostack.yaml"

// Config is the whole configuration. The tag doc explains a key, default is its value when the file says nothing.
type Config struct {
	Database    string   `yaml:"database" doc:"Where state is kept: sqlite:/path/to/file for one machine, postgres://user@host/name for several." default:"sqlite:{state_dir}/gostack.db"`
	Bus         string   `yaml:"bus" doc:"How components talk to each other: empty inside this process, amqps://user:password@host:port/vhost (or amqp://) over RabbitMQ; several host:port may be given, with commas between." default:""`
	BusAdmin    string   `yaml:"bus_admin" doc:"On the control side: RabbitMQ's management API, https://user:password@host:15671, with which hosts get users of their own." default:""`
	BusCA       string   `yaml:"bus_ca" doc:"Certificates in PEM that sign the broker's; empty trusts the system's." default:""`
	BusCert     string   `yaml:"bus_cert" doc:"Certificate in PEM to show to the broker, with bus_key." default:""`
	BusKey      string   `yaml:"bus_key" doc:"Private key of bus_cert, in PEM." default:""`
	StateDir    string   `yaml:"state_dir" doc:"Directory for the database, images, disks and keys." default:"/var/lib/gostack"`
	RunDir      string   `yaml:"run_dir" doc:"Directory for sockets and pid files; empties at boot." default:"/run/gostack"`
	LogDir      string   `yaml:"log_dir" doc:"Directory for the logs of engines that gostack starts." default:"/var/log/gostack"`
	LogLevel    string   `yaml:"log_level" doc:"debug, info, warn or error." default:"info"`
	Host        string   `yaml:"host" doc:"This machine's name in the cloud; it must not change while servers run here." default:"{hostname}"`
	HostIP      string   `yaml:"host_ip" doc:"This machine's address for the cloud's other machines: tunnels, streams, consoles." default:"127.0.0.1"`
	Hostlink    string   `yaml:"hostlink_listen" doc:"Address, host:port, for streams from the cloud's other machines; used when the bus joins several." default:":5002"`
	Control     []string `yaml:"control" doc:"Where control listens for streams, host:port of each replica; on control empty is this machine alone." default:""`
	Region      string   `yaml:"region" doc:"The region in the catalogue." default:"RegionOne"`
	Listen      string   `yaml:"listen" doc:"Address of all APIs, host:port; an empty host is every address of the machine." default:":5000"`
	PublicURL   string   `yaml:"public_url" doc:"Scheme, host and port that clients use; the catalogue is made of it." default:"http://127.0.0.1:{listen_port}"`
	InternalURL string   `yaml:"internal_url" doc:"Scheme, host and port of this machine's APIs for the other control replicas." default:"http://{host}:{listen_port}"`
	TLSCert     string   `yaml:"tls_cert" doc:"Certificate chain in PEM; with tls_key the APIs speak HTTPS." default:""`
	TLSKey      string   `yaml:"tls_key" doc:"Private key of tls_cert, in PEM." default:""`
	Policy      string   `yaml:"policy_file" doc:"YAML file of policy overrides, rule name to check; empty keeps upstream's defaults." default:""`

	Keystone Keystone `yaml:"keystone"`
	Glance   Glance   `yaml:"glance"`
	Neutron  Neutron  `yaml:"neutron"`
	Nova     Nova     `yaml:"nova"`

	Notifications Notifications `yaml:"notifications"`
}

// Notifications configures what is told to others (docs/notifications.md). The names are upstream's.
type Notifications struct {
	Driver         string   `yaml:"driver" doc:"messagingv2 sends notifications over the broker of bus; noop sends none." default:"noop"`
	Format         string   `yaml:"notification_format" doc:"Nova's: versioned, unversioned or both." default:"both"`
	NotifyOnState  string   `yaml:"notify_on_state_change" doc:"When instance.update is sent for a change of state: vm_state, vm_and_task_state, or none for never." default:"vm_and_task_state"`
	IdentityFormat string   `yaml:"identity_format" doc:"Keystone's notification_format: cadf or basic." default:"cadf"`
	OptOut         []string `yaml:"notification_opt_out" doc:"Keystone's events that are not sent." default:"identity.authenticate.success,identity.authenticate.pending,identity.authenticate.failed"`
	DisabledGlance []string `yaml:"disabled_notifications" doc:"Glance's events, or groups of them such as image.member, that are not sent." default:""`
}

// Keystone configures identity.
type Keystone struct {
	TokenExpiration time.Duration `yaml:"token_expiration" doc:"How long a token is good." default:"1h"`
	BcryptCost      int           `yaml:"bcrypt_cost" doc:"Cost of password hashes; each step doubles it. Upstream's is 12." default:"12"`
	TokenProvider   string        `yaml:"token_provider" doc:"How tokens are written: fernet (encrypted, keys in the database), or jws:/directory (signed with ES256: private/private.pem of this host, public/ with the keys of all hosts)." default:"fernet"`
	MaxActiveKeys   int           `yaml:"max_active_keys" doc:"Fernet keys kept; rotate at most max_active_keys-2 times in a token's life." default:"3"`
	LimitModel      string        `yaml:"limit_enforcement_model" doc:"How unified limits of projects below each other go together: flat or strict_two_level." default:"flat"`
	Password        PasswordRules `yaml:"password"`
}

// JWSKeys is the directory of the keys that tokens are signed with; empty: they are not signed.
func (k Keystone) JWSKeys() string {
	if dir, ok := strings.CutPrefix(k.TokenProvider, "jws:"); ok && filepath.IsAbs(dir) {
		return dir
	}
	return ""
}

// PasswordRules are upstream's [security_compliance].
type PasswordRules struct {
	Regex              string        `yaml:"regex" doc:"What a new password must match; empty: anything." default:""`
	RegexDescription   string        `yaml:"regex_description" doc:"What regex asks for, in words that users read." default:""`
	LockoutAttempts    int           `yaml:"lockout_failure_attempts" doc:"Wrong passwords in a row that lock an account; 0: never." default:"0"`
	LockoutDuration    time.Duration `yaml:"lockout_duration" doc:"How long an account stays locked; 0: until somebody resets the password." default:"30m"`
	ExpiresDays        int           `yaml:"expires_days" doc:"Days that a password is good; 0: for ever." default:"0"`
	UniqueLast         int           `yaml:"unique_last_count" doc:"A new password differs from so many before it; 0: need not." default:"0"`
	MinimumAgeDays     int           `yaml:"minimum_age_days" doc:"Days a password is kept before its user may change it; 0: none." default:"0"`
	InactiveDays       int           `yaml:"disable_days_inactive" doc:"Days without a login that disable an account; 0: never." default:"0"`
	ChangeUponFirstUse bool          `yaml:"change_upon_first_use" doc:"Users must change a password that somebody else set." default:"false"`
}

// Glance configures images.
type Glance struct {
	Backends []string `yaml:"enabled_backends" doc:"Several stores of images, as name:file:/directory or name:http (read only); the first is the default. Empty is one store without a name." default:""`
	Options  []string `yaml:"options" doc:"Options by upstream's names (show_multiple_locations=true, allowed_ports=80 443 8080); docs/images.md lists them." default:""`
}

// Neutron configures networks.
type Neutron struct {
	OVNNorthbound  string   `yaml:"ovn_northbound" doc:"Address of OVN's northbound database." default:"unix:/run/ovn/ovnnb_db.sock"`
	OVNSouthbound  string   `yaml:"ovn_southbound" doc:"Address of OVN's southbound database." default:"unix:/run/ovn/ovnsb_db.sock"`
	OVSDB          string   `yaml:"ovsdb" doc:"Address of this host's Open vSwitch database." default:"unix:/run/openvswitch/db.sock"`
	EncapIP        string   `yaml:"encap_ip" doc:"This host's address for tunnels between hosts." default:"{host_ip}"`
	BridgeMappings []string `yaml:"bridge_mappings" doc:"Provider networks of this host, physical network:bridge." default:"physnet1:br-ex"`
	VLANRanges     []string `yaml:"vlan_ranges" doc:"VLAN ids that tenants' networks may get, physical network:first:last." default:"physnet1:1000:1999"`
	NetworkTypes   []string `yaml:"tenant_network_types" doc:"Types of networks for which nobody chooses one, in this order: geneve, vxlan, gre, nvgre, vlan, local." default:"geneve"`
	TunnelRanges   []string `yaml:"tunnel_id_ranges" doc:"Segment ids that tenants' networks of tunnel types may get, type:first:last; without, 1 to 65536, for nvgre 4096 to 69631." default:""`
	ExternalCIDR   string   `yaml:"external_cidr" doc:"Network of floating IPs that gostack up creates; the host gets its first address." default:"172.24.4.0/24"`
	DNSServers     []string `yaml:"dns_servers" doc:"Name servers given to guests whose subnet names none." default:""`
	GlobalMTU      int      `yaml:"global_physnet_mtu" doc:"MTU of the underlay; tunnels take their overhead from it." default:"1500"`
}

// Nova configures servers.
type Nova struct {
	Driver               string        `yaml:"compute_driver" doc:"libvirt, or simulated for tests of scale." default:"libvirt"`
	LibvirtSocket        string        `yaml:"libvirt_socket" doc:"Socket of this host's libvirtd." default:"/run/libvirt/libvirt-sock"`
	VirtType             string        `yaml:"virt_type" doc:"kvm, qemu, or auto: kvm where the host can." default:"auto"`
	CPUShared            string        `yaml:"cpu_shared_set" doc:"Processors of this host that servers share, as 0-3,^2; empty: all, or none when cpu_dedicated_set says some." default:""`
	CPUDedicated         string        `yaml:"cpu_dedicated_set" doc:"Processors of this host that servers have for themselves (hw:cpu_policy=dedicated)." default:""`
	CPUAllocationRatio   float64       `yaml:"cpu_allocation_ratio" doc:"Virtual CPUs per physical one; another value than the default goes before what placement says of a host." default:"4"`
	RAMAllocationRatio   float64       `yaml:"ram_allocation_ratio" doc:"Promised memory per physical one." default:"1"`
	DiskAllocationRatio  float64       `yaml:"disk_allocation_ratio" doc:"Promised disk per physical one." default:"1"`
	ReservedHostMemoryMB int           `yaml:"reserved_host_memory_mb" doc:"Memory in MiB that guests never get." default:"512"`
	ReservedHostDiskMB   int           `yaml:"reserved_host_disk_mb" doc:"Disk in MiB that guests never get." default:"0"`
	AvailabilityZone     string        `yaml:"default_availability_zone" doc:"Zone of hosts in no aggregate that names one." default:"nova"`
	Scheduler            []string      `yaml:"scheduler" doc:"Filters to add (+JsonFilter) or leave out (-SameHostFilter), and options by upstream's names (ram_weight_multiplier=-1, host_subset_size=3)." default:""`
	Quota                []string      `yaml:"quota" doc:"Options by upstream's names: driver=UnifiedLimitsDriver makes Keystone's limits hold in place of os-quota-sets, unified_limits_resource_strategy=require|ignore, unified_limits_resource_list=servers class:VCPU (docs/servers.md)." default:""`
	ResizeToSameHost     bool          `yaml:"allow_resize_to_same_host" doc:"A resize may stay on its host; else it needs another one." default:"false"`
	ResizeConfirmWindow  time.Duration `yaml:"resize_confirm_window" doc:"After how long a resize is confirmed by itself; 0 is never." default:"0s"`
	ShelvedOffloadTime   time.Duration `yaml:"shelved_offload_time" doc:"How long a shelved server stays on its host; 0 is not at all, below 0 for ever." default:"0s"`
	ResumeGuests         bool          `yaml:"resume_guests_state_on_host_boot" doc:"Servers that ran when this host lost its power are started when it is back; else they are off then." default:"false"`
	ReclaimInterval      time.Duration `yaml:"reclaim_instance_interval" doc:"How long a deleted server can be restored; 0 deletes at once." default:"0s"`
	LiveTimeout          int           `yaml:"live_migration_completion_timeout" doc:"Seconds that a live migration may take for each GiB of memory and copied disk; 0 is for ever." default:"800"`
	LiveTimeoutAction    string        `yaml:"live_migration_timeout_action" doc:"abort, or force_complete." default:"abort"`
	LiveForce            string        `yaml:"live_migration_force_complete" doc:"How a live migration is forced to its end: pause the server, or post_copy: run it on its new host before all of its memory is there." default:"pause"`
	LiveConcurrent       int           `yaml:"max_concurrent_live_migrations" doc:"Servers that may leave a host live at once." default:"1"`
	SimulatedHosts       int           `yaml:"simulated_hosts" doc:"Hosts that the simulated driver plays in this process." default:"1"`
	Consoles             []string      `yaml:"consoles" doc:"What servers that are started from then on have on their hosts besides a noVNC screen: serial (users may read and type on serial ports), spice-html5 (a SPICE screen, and a channel for its agent in the guest; the page is Debian's package spice-html5 on the control side)." default:""`
	PCI                  []string      `yaml:"pci" doc:"Devices that servers have for themselves, by upstream's options and their JSON: device_spec={...} on a host says which of its devices, alias={...} on the control side how flavors call them (docs/servers.md)." default:""`
	SimulatedNetwork     string        `yaml:"simulated_network" doc:"File in which control replicas keep one simulated network; empty keeps it in the process's memory." default:""`
}

// HasConsole tells whether servers have a kind of console besides noVNC.
func (n Nova) HasConsole(kind string) bool { return slices.Contains(n.Consoles, kind) }

// PCIOptions are the values of one of the options in pci.
func (n Nova) PCIOptions(name string) (values []string) {
	for _, o := range n.PCI {
		if key, value, _ := strings.Cut(o, "="); strings.TrimSpace(key) == name {
			values = append(values, value)
		}
	}
	return values
}

// Load reads file, or only defaults and the environment when the default file does not exist.
func Load(file string) (*Config, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && file == DefaultFile {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	c, err := parse(b, os.LookupEnv)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", file, err)
	}
	return c, nil
}

// Default returns the configuration of an empty file and environment.
func Default() *Config {
	c, err := parse(nil, func(string) (string, bool) { return "", false })
	if err != nil {
		panic(err) // the defaults are constants
	}
	return c
}

func parse(file []byte, env func(string) (string, bool)) (*Config, error) {
	c := &Config{}
	d := yaml.NewDecoder(bytes.NewReader(file))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for _, k := range keys(c) {
		if v, ok := env(k.Env()); ok {
			if err := k.set(v); err != nil {
				return nil, fmt.Errorf("%s: %w", k.Env(), err)
			}
		} else if k.value.IsZero() {
			if err := k.set(k.Default); err != nil {
				return nil, fmt.Errorf("%s: %w", k.Name, err)
			}
		}
	}
	if err := c.derive(); err != nil {
		return nil, err
	}
	return c, c.verify()
}

// derive fills in the defaults that are made of other values.
func (c *Config) derive() error {
	if c.Host == "{hostname}" {
		h, err := os.Hostname()
		if err != nil {
			return err
		}
		c.Host = h
	}
	_, port, ok := cutLast(c.Listen, ":")
	if !ok {
		return fmt.Errorf("listen: %q is not host:port", c.Listen)
	}
	if _, _, ok := cutLast(c.Hostlink, ":"); !ok {
		return fmt.Errorf("hostlink_listen: %q is not host:port", c.Hostlink)
	}
	c.Neutron.EncapIP = strings.ReplaceAll(c.Neutron.EncapIP, "{host_ip}", c.HostIP)
	c.Database = strings.ReplaceAll(c.Database, "{state_dir}", c.StateDir)
	c.PublicURL = strings.TrimSuffix(strings.ReplaceAll(c.PublicURL, "{listen_port}", port), "/")
	address, _, _ := cutLast(c.Listen, ":")
	if address == "" || address == "0.0.0.0" || address == "[::]" {
		address = c.Host
	}
	c.InternalURL = strings.NewReplacer("{host}", address, "{listen_port}", port).Replace(c.InternalURL)
	if c.TLSCert != "" {
		c.InternalURL = strings.Replace(c.InternalURL, "http://", "https://", 1)
		c.PublicURL = strings.Replace(c.PublicURL, "http://127.0.0.1", "https://127.0.0.1", 1)
	}
	return nil
}

// IsHost tells that the configuration is that of a machine which has joined a cloud as a host.
func (c *Config) IsHost() bool { return strings.Contains(c.Bus, "://gostack-host-") }

// Role is what `gostack run` runs when it is not told: host on a machine that has joined, else all.
func (c *Config) Role() string {
	if c.IsHost() {
		return "host"
	}
	return "all"
}

// LinkAddress is where other machines reach this one's hostlink, host:port.
func (c *Config) LinkAddress() string {
	host, port, _ := cutLast(c.Hostlink, ":")
	if host == "" || host == "0.0.0.0" || host == "[::]" {
		return net.JoinHostPort(c.HostIP, port)
	}
	return c.Hostlink
}

func cutLast(s, sep string) (string, string, bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func (c *Config) verify() error {
	var errs []error
	bad := func(key, format string, args ...any) { errs = append(errs, fmt.Errorf(key+": "+format, args...)) }
	if !strings.HasPrefix(c.Database, "sqlite:") && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://") {
		bad("database", "must begin with sqlite: or postgres://")
	}
	for key, dir := range map[string]string{"state_dir": c.StateDir, "run_dir": c.RunDir, "log_dir": c.LogDir} {
		if !filepath.IsAbs(dir) {
			bad(key, "%q is not an absolute path", dir)
		}
	}
	for key, ip := range map[string]string{"host_ip": c.HostIP, "neutron.encap_ip": c.Neutron.EncapIP} {
		if _, err := netip.ParseAddr(ip); err != nil {
			bad(key, "%q is not an IP address", ip)
		}
	}
	for _, address := range c.Control {
		if host, _, err := net.SplitHostPort(address); err != nil || host == "" {
			bad("control", "%q is not host:port", address)
		}
	}
	if c.Bus != "" && !strings.HasPrefix(c.Bus, "amqp://") && !strings.HasPrefix(c.Bus, "amqps://") {
		bad("bus", "must be empty or begin with amqps:// or amqp://")
	}
	if c.BusAdmin != "" && c.Bus == "" {
		bad("bus_admin", "is about the broker of bus, which is empty")
	}
	if (c.BusCert == "") != (c.BusKey == "") {
		bad("bus_cert", "bus_cert and bus_key go together")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("tls_cert", "tls_cert and tls_key go together")
	}
	if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || u.Path != "" {
		bad("public_url", "%q is not scheme://host:port", c.PublicURL)
	}
	if c.Keystone.BcryptCost < 4 || c.Keystone.BcryptCost > 31 {
		bad("keystone.bcrypt_cost", "must be 4 to 31")
	}
	if p := c.Keystone.TokenProvider; p != "fernet" && c.Keystone.JWSKeys() == "" {
		bad("keystone.token_provider", "%q is not fernet or jws:/directory", p)
	}
	if m := c.Keystone.LimitModel; m != "flat" && m != "strict_two_level" {
		bad("keystone.limit_enforcement_model", "%q is not flat or strict_two_level", m)
	}
	if _, err := regexp.Compile(c.Keystone.Password.Regex); err != nil {
		bad("keystone.password.regex", "%v", err)
	}
	for name, n := range map[string]int{
		"lockout_failure_attempts": c.Keystone.Password.LockoutAttempts, "expires_days": c.Keystone.Password.ExpiresDays,
		"unique_last_count": c.Keystone.Password.UniqueLast, "minimum_age_days": c.Keystone.Password.MinimumAgeDays,
		"disable_days_inactive": c.Keystone.Password.InactiveDays,
	} {
		if n < 0 {
			bad("keystone.password."+name, "must not be negative")
		}
	}
	if _, err := netip.ParsePrefix(c.Neutron.ExternalCIDR); err != nil {
		bad("neutron.external_cidr", "%v", err)
	}
	switch c.Nova.Driver {
	case "libvirt", "simulated":
	default:
		bad("nova.compute_driver", "%q is not libvirt or simulated", c.Nova.Driver)
	}
	if a := c.Nova.LiveTimeoutAction; a != "abort" && a != "force_complete" {
		bad("nova.live_migration_timeout_action", "%q is not abort or force_complete", a)
	}
	if f := c.Nova.LiveForce; f != "pause" && f != "post_copy" {
		bad("nova.live_migration_force_complete", "%q is not pause or post_copy", f)
	}
	for _, kind := range c.Nova.Consoles {
		if kind != "serial" && kind != "spice-html5" {
			bad("nova.consoles", "%q is not serial or spice-html5", kind)
		}
	}
	for _, o := range c.Nova.PCI {
		if key, _, _ := strings.Cut(o, "="); strings.TrimSpace(key) != "alias" && strings.TrimSpace(key) != "device_spec" {
			bad("nova.pci", "%q is not alias={...} or device_spec={...}", o)
		}
	}
	switch c.Nova.VirtType {
	case "auto", "kvm", "qemu":
	default:
		bad("nova.virt_type", "%q is not auto, kvm or qemu", c.Nova.VirtType)
	}
	for key, choice := range map[string]struct {
		value string
		from  []string
	}{
		"notifications.driver":                 {c.Notifications.Driver, []string{"messagingv2", "noop"}},
		"notifications.notification_format":    {c.Notifications.Format, []string{"versioned", "unversioned", "both"}},
		"notifications.notify_on_state_change": {c.Notifications.NotifyOnState, []string{"vm_state", "vm_and_task_state", "none"}},
		"notifications.identity_format":        {c.Notifications.IdentityFormat, []string{"cadf", "basic"}},
	} {
		if !slices.Contains(choice.from, choice.value) {
			bad(key, "%q is not one of %s", choice.value, strings.Join(choice.from, ", "))
		}
	}
	switch c.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		bad("log_level", "%q is not debug, info, warn or error", c.LogLevel)
	}
	return errors.Join(errs...)
}

// Key is one setting, for `gostack config explain`.
type Key struct {
	Name, Doc, Default string
	value              reflect.Value
}

// Env is the environment variable that overrides the key.
func (k Key) Env() string {
	return "GOSTACK_" + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// Value is the present value as one would write it in the file; the password in a URL is hidden.
func (k Key) Value() string {
	if k.value.Kind() == reflect.Slice {
		return strings.Join(k.value.Interface().([]string), ",")
	}
	return password.ReplaceAllString(fmt.Sprint(k.value.Interface()), "$1:xxxxx@")
}

// password finds the one in a URL; url.Parse would refuse those with several hosts.
var password = regexp.MustCompile(`^([a-z0-9+]+://[^:/@]*):.*@`)

// Keys lists all settings of c in the order of the file.
func (c *Config) Keys() []Key { return keys(c) }

func keys(c *Config) (list []Key) {
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name := prefix + f.Tag.Get("yaml")
			if v.Field(i).Kind() == reflect.Struct {
				walk(v.Field(i), name+".")
				continue
			}
			list = append(list, Key{name, f.Tag.Get("doc"), f.Tag.Get("default"), v.Field(i)})
		}
	}
	walk(reflect.ValueOf(c).Elem(), "")
	return list
}

func (k Key) set(s string) error {
	switch k.value.Interface().(type) {
	case string:
		k.value.SetString(s)
	case []string:
		var list []string
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		k.value.Set(reflect.ValueOf(list))
	case int, int64:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return err
		}
		k.value.SetInt(n)
	case bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return err
		}
		k.value.SetBool(b)
	case float64:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return err
		}
		k.value.SetFloat(f)
	case time.Duration:
		d, err := time.ParseDuration(s)
		if err != nil {
			return err
		}
		k.value.SetInt(int64(d))
	default:
		return fmt.Errorf("a key of type %s cannot be set", k.value.Type())
	}
	return nil
}
