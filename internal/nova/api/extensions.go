package api

import (
	"strings"

	"gostack/internal/rest"
)

// extensionAliases are the parts of the compute API that clients of the time before microversions ask for by name.
var extensionAliases = strings.Fields(`NMN OS-DCF OS-EXT-AZ OS-EXT-IMG-SIZE OS-EXT-IPS OS-EXT-IPS-MAC OS-EXT-SRV-ATTR OS-EXT-STS OS-FLV-DISABLED OS-FLV-EXT-DATA OS-SCH-HNT OS-SRV-USG
	flavors images ips limits servers server-metadata versions extensions os-access-ips os-admin-actions os-aggregates os-attach-interfaces os-availability-zone os-block-device-mapping
	os-block-device-mapping-v2-boot os-config-drive os-console-auth-tokens os-console-output os-consoles os-deferred-delete os-extended-quotas os-extended-server-attributes
	os-extended-services os-extended-services-delete os-extended-status os-extended-volumes os-flavor-access os-flavor-extra-specs os-flavor-manage os-flavor-rxtx os-flavor-swap
	os-hide-server-addresses os-hypervisors os-instance-actions os-instance_usage_audit_log os-keypairs os-lock-server os-multiple-create os-pause-server os-personality
	os-quota-class-sets os-quota-sets os-remote-consoles os-security-groups os-server-external-events os-server-groups os-server-list-multi-status os-server-password os-server-sort-keys
	os-server-start-stop os-services os-simple-tenant-usage os-suspend-server os-used-limits os-user-data os-user-quotas os-volumes`)

func (a *api) extensionRoutes() []rest.Route {
	view := func(alias string) object {
		return object{"alias": alias, "name": extensionName(alias), "description": extensionName(alias) + ".", "namespace": "http://docs.openstack.org/compute/ext/fake_xml", "updated": "2014-12-03T00:00:00Z", "links": []any{}}
	}
	return []rest.Route{
		{Method: "GET", Path: "/extensions", Policy: "os_compute_api:extensions", Handle: func(*rest.Request) (any, error) {
			list := make([]object, len(extensionAliases))
			for i, alias := range extensionAliases {
				list[i] = view(alias)
			}
			return object{"extensions": list}, nil
		}},
		{Method: "GET", Path: "/extensions/{alias}", Policy: "os_compute_api:extensions", Handle: func(r *rest.Request) (any, error) {
			for _, alias := range extensionAliases {
				if alias == r.Path("alias") {
					return object{"extension": view(alias)}, nil
				}
			}
			return nil, rest.NotFound("Extension with alias %s does not exist", r.Path("alias"))
		}},
	}
}

// extensionName is an alias in words: "os-server-groups" is "ServerGroups".
func extensionName(alias string) string {
	if !strings.HasPrefix(alias, "os-") {
		return alias
	}
	name := ""
	for _, word := range strings.FieldsFunc(alias[3:], func(r rune) bool { return r == '-' || r == '_' }) {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}
