package api

import (
	"net/http"
	"strings"

	"gostack/internal/keystone"
	"gostack/internal/rest"
)

// domainConfig are the routes of options that one domain has.
func (a *api) domainConfig() []rest.Route {
	const all, group, option = "/domains/{domain_id}/config", "/domains/{domain_id}/config/{group}", "/domains/{domain_id}/config/{group}/{option}"
	config := rest.JSON(`{"type": "object", "required": ["config"], "properties": {"config": {"type": "object"}}}`)
	const compliance = "/domains/{domain_id}/config/security_compliance"
	routes := []rest.Route{
		{
			Method: "PUT", Path: all, Policy: "identity:create_domain_config", Status: http.StatusCreated, Body: config,
			Handle: func(r *rest.Request) (any, error) {
				c, err := configOf(r, "", "")
				if err != nil {
					return nil, err
				}
				fresh, out, err := a.CreateDomainConfig(r.Context(), r.Path("domain_id"), c)
				if err != nil {
					return nil, err
				}
				status := http.StatusOK
				if fresh {
					status = http.StatusCreated
				}
				return rest.Reply(status, map[string]any{"config": out}), nil
			},
		},
		{Method: "GET", Path: compliance, Policy: "identity:get_security_compliance_domain_config", Handle: a.showCompliance},
		{Method: "GET", Path: compliance + "/{option}", Policy: "identity:get_security_compliance_domain_config", Handle: a.showCompliance},
	}
	for _, path := range []string{all, group, option} {
		routes = append(routes, rest.Route{Method: "GET", Path: path, Policy: "identity:get_domain_config", Handle: a.showDomainConfig})
	}
	// Nobody sets what a password must be like here: that group is refused as any other that no domain has of its own.
	for _, path := range []string{all, group, option, compliance, compliance + "/{option}"} {
		routes = append(routes,
			rest.Route{Method: "PATCH", Path: path, Policy: "identity:update_domain_config", Body: config, Handle: a.updateDomainConfig},
			rest.Route{
				Method: "DELETE", Path: path, Policy: "identity:delete_domain_config", Status: http.StatusNoContent,
				Handle: func(r *rest.Request) (any, error) {
					return nil, a.DeleteDomainConfig(r.Context(), r.Path("domain_id"), configGroup(r), r.Path("option"))
				},
			})
	}
	for _, path := range []string{"/domains/config/default", "/domains/config/{group}/default", "/domains/config/{group}/{option}/default"} {
		routes = append(routes, rest.Route{
			Method: "GET", Path: path, Policy: "identity:get_domain_config_default", Handle: func(r *rest.Request) (any, error) {
				c, err := keystone.DefaultDomainConfig(r.Path("group"), r.Path("option"))
				return oneOf("config", err, func() any { return configView(c, r.Path("group"), r.Path("option")) })
			},
		})
	}
	return routes
}

// configView shows a configuration, or of one option only that: {"config": {"url": …}}.
func configView(c keystone.DomainConfig, group, option string) any {
	if option != "" {
		return map[string]any{option: c[group][option]}
	}
	return c
}

// configOf reads a configuration from the body. For one option of the path the body has the option without its group.
func configOf(r *rest.Request, group, option string) (keystone.DomainConfig, error) {
	in := object(r, "config")
	if option != "" {
		return keystone.DomainConfig{group: in}, nil
	}
	c := keystone.DomainConfig{}
	for g, options := range in {
		o, ok := options.(map[string]any)
		if !ok {
			return nil, rest.Forbidden("Invalid domain specific configuration: The value of group %s specified in the config should be a "+
				"dictionary of options.", g)
		}
		c[g] = o
	}
	return c, nil
}

func (a *api) showDomainConfig(r *rest.Request) (any, error) {
	group, option := r.Path("group"), r.Path("option")
	c, err := a.DomainConfig(r.Context(), r.Path("domain_id"), group, option)
	return oneOf("config", err, func() any { return configView(c, group, option) })
}

// configGroup is the group that a path names.
func configGroup(r *rest.Request) string {
	if strings.Contains(r.Route.Path, "/config/security_compliance") {
		return "security_compliance"
	}
	return r.Path("group")
}

func (a *api) updateDomainConfig(r *rest.Request) (any, error) {
	group, option := configGroup(r), r.Path("option")
	c, err := configOf(r, group, option)
	if err != nil {
		return nil, err
	}
	out, err := a.UpdateDomainConfig(r.Context(), r.Path("domain_id"), group, option, c)
	return oneOf("config", err, func() any { return out })
}

// showCompliance tells every user of the default domain what a password must be like.
func (a *api) showCompliance(r *rest.Request) (any, error) {
	if _, err := a.Domain(r.Context(), r.Path("domain_id")); err != nil {
		return nil, err
	}
	if r.Path("domain_id") != keystone.DefaultDomainID {
		return nil, rest.Forbidden("Invalid domain specific configuration: Reading security compliance information for any domain other than the " +
			"default domain is not allowed or supported.")
	}
	rules := a.PasswordRules()
	all := map[string]any{"password_regex": orNull(rules.Regex), "password_regex_description": orNull(rules.RegexDescription)}
	option := r.Path("option")
	if option == "" {
		return map[string]any{"config": map[string]any{"security_compliance": all}}, nil
	}
	v, ok := all[option]
	if !ok {
		return nil, rest.Forbidden("Invalid domain specific configuration: Reading security compliance values other than password_regex and "+
			"password_regex_description is not allowed: %s.", option)
	}
	return map[string]any{"config": map[string]any{option: v}}, nil
}
