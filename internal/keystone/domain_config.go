package keystone

import (
	"context"
	"slices"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// DomainConfig are options of a domain: group, name, value. It is kept and shown as upstream does; a domain whose identities are in a directory
// would read its options from here.
type DomainConfig map[string]map[string]any

// domainOptions are the options a domain may have, with upstream's defaults (keystone/conf/ldap.py, keystone/conf/identity.py).
var domainOptions = DomainConfig{
	"identity": {"driver": "sql", "list_limit": nil},
	"ldap": {
		"url": "ldap://localhost", "user": nil, "suffix": "cn=example,cn=com", "query_scope": "one", "page_size": 0, "alias_dereferencing": "default",
		"debug_level": nil, "chase_referrals": nil, "user_tree_dn": nil, "user_filter": nil, "user_objectclass": "inetOrgPerson",
		"user_id_attribute": "cn", "user_name_attribute": "sn", "user_mail_attribute": "mail", "user_description_attribute": "description",
		"user_pass_attribute": "userPassword", "user_enabled_attribute": "enabled", "user_enabled_invert": false, "user_enabled_mask": 0,
		"user_enabled_default": "True", "user_attribute_ignore": []string{"default_project_id"}, "user_default_project_id_attribute": nil,
		"user_enabled_emulation": false, "user_enabled_emulation_dn": nil, "user_enabled_emulation_use_group_config": false,
		"user_additional_attribute_mapping": []string{}, "group_tree_dn": nil, "group_filter": nil, "group_objectclass": "groupOfNames",
		"group_id_attribute": "cn", "group_name_attribute": "ou", "group_members_are_ids": false, "group_member_attribute": "member",
		"group_desc_attribute": "description", "group_attribute_ignore": []string{}, "group_additional_attribute_mapping": []string{},
		"tls_cacertfile": nil, "tls_cacertdir": nil, "use_tls": false, "tls_req_cert": "demand", "use_pool": true, "pool_size": 10,
		"pool_retry_max": 3, "pool_retry_delay": 0.1, "pool_connection_timeout": -1, "pool_connection_lifetime": 600, "use_auth_pool": true,
		"auth_pool_size": 100, "auth_pool_connection_lifetime": 60,
	},
}

// sensitive options are taken and never shown.
var sensitive = map[string][]string{"ldap": {"password"}}

func invalidConfig(format string, args ...any) error {
	return rest.Forbidden("Invalid domain specific configuration: %s.", rest.Fail(0, format, args...).Message)
}

func configNotFound(what, domainID string) error {
	return rest.NotFound("Could not find %s in domain configuration for domain %s.", what, domainID)
}

// checkOption refuses groups and options that a domain cannot have.
func checkOption(group, name string) error {
	options, ok := domainOptions[group]
	if !ok {
		return invalidConfig("Group %s is not supported for domain specific configurations", group)
	}
	if name == "" {
		return nil
	}
	if _, ok := options[name]; !ok && !slices.Contains(sensitive[group], name) {
		return invalidConfig("Option %s in group %s is not supported for domain specific configurations", name, group)
	}
	return nil
}

func (c DomainConfig) check() error {
	if len(c) == 0 {
		return invalidConfig("No options specified")
	}
	for group, options := range c {
		if len(options) == 0 {
			if err := checkOption(group, ""); err != nil {
				return err
			}
			return invalidConfig("No options specified for group %s", group)
		}
		for name := range options {
			if err := checkOption(group, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// DefaultDomainConfig returns the defaults of all options, of a group, or of one of its options.
func DefaultDomainConfig(group, name string) (DomainConfig, error) {
	if group == "" {
		return domainOptions, nil
	}
	if err := checkOption(group, name); err != nil {
		return nil, err
	}
	if name == "" {
		return DomainConfig{group: domainOptions[group]}, nil
	}
	v, ok := domainOptions[group][name]
	if !ok {
		return nil, invalidConfig("Reading the default for option %s in group %s is not supported", name, group)
	}
	return DomainConfig{group: {name: v}}, nil
}

// DomainConfig returns what is set of a domain's configuration, of a group or one option if these are not empty. Secrets are left out.
func (s *Service) DomainConfig(ctx context.Context, domainID, group, name string) (DomainConfig, error) {
	if _, err := s.Domain(ctx, domainID); err != nil {
		return nil, err
	}
	if group != "" {
		if err := checkOption(group, name); err != nil {
			return nil, err
		}
	}
	return s.domainConfig(ctx, s.db.Read(ctx), domainID, group, name)
}

func (s *Service) domainConfig(ctx context.Context, h store.Tx, domainID, group, name string) (DomainConfig, error) {
	rows, err := db.DomainOptions(ctx, h, domainID, group, name)
	if err != nil {
		return nil, err
	}
	out := DomainConfig{}
	for _, r := range rows {
		if slices.Contains(sensitive[r.Group], r.Name) {
			continue
		}
		if out[r.Group] == nil {
			out[r.Group] = map[string]any{}
		}
		out[r.Group][r.Name] = r.Value.V
	}
	if len(out) == 0 {
		return nil, configNotFound(wantedPart(group, name), domainID)
	}
	return out, nil
}

func wantedPart(group, name string) string {
	switch {
	case name != "":
		return "option " + name + " in group " + group
	case group != "":
		return "group " + group
	}
	return "any options"
}

// CreateDomainConfig sets the whole configuration of a domain, and tells whether there was none.
func (s *Service) CreateDomainConfig(ctx context.Context, domainID string, c DomainConfig) (fresh bool, out DomainConfig, err error) {
	if _, err := s.Domain(ctx, domainID); err != nil {
		return false, nil, err
	}
	if err := c.check(); err != nil {
		return false, nil, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		have, err := db.DomainOptions(ctx, tx, domainID, "", "")
		if err != nil {
			return err
		}
		fresh = len(have) == 0
		if err := db.DeleteDomainOptions(ctx, tx, domainID, "", ""); err != nil {
			return err
		}
		if err := setOptions(ctx, tx, domainID, c); err != nil {
			return err
		}
		out, err = s.domainConfig(ctx, tx, domainID, "", "")
		if rest.IsNotFound(err) { // nothing but secrets
			out, err = DomainConfig{}, nil
		}
		return err
	})
	return fresh, out, err
}

func setOptions(ctx context.Context, tx store.Tx, domainID string, c DomainConfig) error {
	for group, options := range c {
		for name, v := range options {
			if err := db.SetDomainOption(ctx, tx, &db.DomainOption{DomainID: domainID, Group: group, Name: name, Value: db.JSON{V: v}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// UpdateDomainConfig sets some options of a domain; those of the path must be the ones in c, and must be set already.
func (s *Service) UpdateDomainConfig(ctx context.Context, domainID, group, name string, c DomainConfig) (out DomainConfig, err error) {
	if _, err := s.Domain(ctx, domainID); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if group != "" {
		if err := checkOption(group, name); err != nil {
			return nil, err
		}
		if _, ok := c[group]; !ok || len(c) != 1 {
			return nil, invalidConfig("Trying to update group %s, so that, and only that, group must be specified in the config", group)
		}
		if _, ok := c[group][name]; name != "" && (!ok || len(c[group]) != 1) {
			return nil, invalidConfig("Trying to update option %s in group %s, but config provided contains option(s) other than that", name, group)
		}
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if group != "" {
			have, err := db.DomainOptions(ctx, tx, domainID, group, name)
			if err != nil {
				return err
			}
			if len(have) == 0 {
				return configNotFound(wantedPart(group, name), domainID)
			}
		}
		if err := setOptions(ctx, tx, domainID, c); err != nil {
			return err
		}
		out, err = s.domainConfig(ctx, tx, domainID, "", "")
		if rest.IsNotFound(err) {
			out, err = DomainConfig{}, nil
		}
		return err
	})
	return out, err
}

// DeleteDomainConfig removes the configuration of a domain, a group of it or one option. That nothing of a part is set is a 404.
func (s *Service) DeleteDomainConfig(ctx context.Context, domainID, group, name string) error {
	if _, err := s.Domain(ctx, domainID); err != nil {
		return err
	}
	if group != "" {
		if err := checkOption(group, name); err != nil {
			return err
		}
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		have, err := db.DomainOptions(ctx, tx, domainID, group, name)
		if err != nil {
			return err
		}
		if len(have) == 0 && group != "" {
			return configNotFound(wantedPart(group, name), domainID)
		}
		return db.DeleteDomainOptions(ctx, tx, domainID, group, name)
	})
}
