package glance

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"gostack/internal/glance/webfetch"
	"gostack/internal/imageformat"
)

// options are what operators set by upstream's names, before they are part of a Config.
type options struct {
	cfg *Config
	web webfetch.Rules
}

func words(to *[]string) func(string) error {
	return func(value string) error { *to = strings.Fields(value); return nil }
}

func yes(to *bool) func(string) error {
	return func(value string) (err error) { *to, err = strconv.ParseBool(value); return err }
}

func numbers(to *[]int) func(string) error {
	return func(value string) error {
		*to = nil
		for _, word := range strings.Fields(value) {
			n, err := strconv.Atoi(word)
			if err != nil {
				return err
			}
			*to = append(*to, n)
		}
		return nil
	}
}

// known is every option with what it does. Those of a store name it first, as in store_weight=fast:100.
func (o *options) known() map[string]func(string) error {
	c := o.cfg
	hash := true
	return map[string]func(string) error{
		"enabled_import_methods":          words(&c.Import.Methods),
		"image_import_plugins":            words(&c.Import.Plugins),
		"ignore_user_roles":               words(&c.Import.IgnoreRoles),
		"allowed_schemes":                 words(&o.web.AllowedSchemes),
		"disallowed_schemes":              words(&o.web.DisallowedSchemes),
		"allowed_hosts":                   words(&o.web.AllowedHosts),
		"disallowed_hosts":                words(&o.web.DisallowedHosts),
		"allowed_ports":                   numbers(&o.web.AllowedPorts),
		"disallowed_ports":                numbers(&o.web.DisallowedPorts),
		"show_multiple_locations":         yes(&c.Locations.Show),
		"show_image_direct_url":           yes(&c.Locations.DirectURL),
		"image_cache_dir":                 func(value string) error { c.Cache.Dir = value; return nil },
		"image_cache_max_size":            func(value string) (err error) { c.Cache.MaxSize, err = strconv.ParseInt(value, 10, 64); return err },
		"worker_self_reference_url":       func(value string) error { c.Cache.Node = value; return nil },
		"signing_certificates":            func(value string) error { c.Certificates = value; return nil },
		"image_size_cap":                  func(value string) (err error) { c.SizeCap, err = strconv.ParseInt(value, 10, 64); return err },
		"use_keystone_limits":             yes(&c.UseLimits),
		"property_protection_file":        func(value string) error { c.Properties.File = value; return nil },
		"property_protection_rule_format": func(value string) error { c.Properties.Format = value; return nil },
		"do_secure_hash": func(value string) error {
			err := yes(&hash)(value)
			c.Locations.NoHash = !hash
			return err
		},
		"output_format": func(value string) error {
			c.Import.Convert = imageformat.Format(value)
			if !slices.Contains([]string{"raw", "qcow2", "vmdk"}, value) {
				return fmt.Errorf("%q is not raw, qcow2 or vmdk", value)
			}
			return nil
		},
		"inject": func(value string) error {
			more, err := ParseInject([]string{value})
			if c.Import.Inject == nil {
				c.Import.Inject = map[string]string{}
			}
			for k, v := range more {
				c.Import.Inject[k] = v
			}
			return err
		},
		"allowed_networks": func(value string) error {
			for _, word := range strings.Fields(value) {
				p, err := netip.ParsePrefix(word)
				if err != nil {
					return err
				}
				o.web.Networks = append(o.web.Networks, p.Masked())
			}
			return nil
		},
		"store_weight":      o.ofStore(func(st *StoreConfig, value string) (err error) { st.Weight, err = strconv.Atoi(value); return err }),
		"store_description": o.ofStore(func(st *StoreConfig, value string) error { st.Description = value; return nil }),
	}
}

func (o *options) ofStore(set func(st *StoreConfig, value string) error) func(string) error {
	return func(value string) error {
		name, rest, _ := strings.Cut(value, ":")
		for i := range o.cfg.Stores {
			if o.cfg.Stores[i].ID == name {
				return set(&o.cfg.Stores[i], rest)
			}
		}
		return fmt.Errorf("no backend is called %q", name)
	}
}

// methods are all import methods there are.
var methods = []string{GlanceDirect, WebDownload, CopyImage}

// Configure reads stores as name:type[:directory], the first being the default, and options by upstream's names as name=value. What is
// not set is as upstream has it.
func (c *Config) Configure(backends, list []string) error {
	for i, text := range backends {
		parts := strings.SplitN(text, ":", 3)
		if len(parts) < 2 {
			return fmt.Errorf("enabled_backends: %q is not name:type", text)
		}
		st := StoreConfig{ID: parts[0], Type: parts[1], Default: i == 0}
		if len(parts) == 3 {
			st.Dir = parts[2]
		}
		c.Stores = append(c.Stores, st)
	}
	o := &options{cfg: c, web: webfetch.Default()}
	c.Certificates = DefaultCertificates
	c.Import.Methods, c.Import.IgnoreRoles, c.Import.Convert = methods, []string{"admin"}, imageformat.Raw
	known := o.known()
	for _, item := range list {
		name, value, ok := strings.Cut(item, "=")
		set := known[strings.TrimSpace(name)]
		if !ok || set == nil {
			return fmt.Errorf("options: %q is not the name of an option and its value", item)
		}
		if err := set(strings.TrimSpace(value)); err != nil {
			return fmt.Errorf("options: %s: %w", name, err)
		}
	}
	for _, m := range c.Import.Methods {
		if !slices.Contains(methods, m) {
			return fmt.Errorf("options: enabled_import_methods: %q is not one of %s", m, strings.Join(methods, ", "))
		}
	}
	for _, p := range c.Import.Plugins {
		if p != Decompression && p != InjectMetadata && p != Conversion {
			return fmt.Errorf("options: image_import_plugins: there is no %q", p)
		}
	}
	c.Import.Web = webfetch.New(o.web)
	return nil
}
