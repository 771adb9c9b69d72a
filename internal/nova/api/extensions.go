package api

import (
	"strings"

	"gostack/internal/rest"
)

// extensionAliases are the parts of the compute API that clients of the time before microversions ask for by name. Upstream lists them all,
// those too that it removed since, so that what is listed says nothing of what works.
var extensionAliases = strings.Fields(`NMN OS-DCF OS-EXT-AZ OS-EXT-IMG-SIZE OS-EXT-IPS OS-EXT-IPS-MAC OS-EXT-SRV-ATTR OS-EXT-STS OS-FLV-DISABLED OS-FLV-EXT-DATA OS-SCH-HNT OS-SRV-USG os-access-ips
	os-admin-actions os-admin-password os-agents os-aggregates os-assisted-volume-snapshots os-attach-interfaces os-availability-zone os-baremetal-ext-status
	os-baremetal-nodes os-block-device-mapping os-block-device-mapping-v2-boot os-cell-capacities os-cells os-certificates os-cloudpipe os-cloudpipe-update
	os-config-drive os-console-auth-tokens os-console-output os-consoles os-create-backup os-create-server-ext os-deferred-delete os-evacuate
	os-extended-evacuate-find-host os-extended-floating-ips os-extended-hypervisors os-extended-networks os-extended-quotas os-extended-rescue-with-image
	os-extended-services os-extended-services-delete os-extended-status os-extended-volumes os-fixed-ips os-flavor-access os-flavor-extra-specs os-flavor-manage
	os-flavor-rxtx os-flavor-swap os-floating-ip-dns os-floating-ip-pools os-floating-ips os-floating-ips-bulk os-fping os-hide-server-addresses os-hosts
	os-hypervisor-status os-hypervisors os-instance-actions os-instance_usage_audit_log os-keypairs os-lock-server os-migrate-server os-migrations os-multiple-create
	os-networks os-networks-associate os-pause-server os-personality os-preserve-ephemeral-rebuild os-quota-class-sets os-quota-sets os-rescue
	os-security-group-default-rules os-security-groups os-server-diagnostics os-server-external-events os-server-group-quotas os-server-groups
	os-server-list-multi-status os-server-password os-server-sort-keys os-server-start-stop os-services os-shelve os-simple-tenant-usage os-suspend-server
	os-tenant-networks os-used-limits os-used-limits-for-admin os-user-data os-user-quotas os-virtual-interfaces os-volume-attachment-update os-volumes`)

// extensionNames are those that do not follow from the alias.
var extensionNames = map[string]string{
	"NMN": "Multinic", "OS-DCF": "DiskConfig", "OS-EXT-AZ": "ExtendedAvailabilityZone", "OS-EXT-IMG-SIZE": "ImageSize", "OS-EXT-IPS": "ExtendedIps",
	"OS-EXT-IPS-MAC": "ExtendedIpsMac", "OS-EXT-SRV-ATTR": "ExtendedServerAttributes", "OS-EXT-STS": "ExtendedStatus",
	"OS-FLV-DISABLED": "FlavorDisabled", "OS-FLV-EXT-DATA": "FlavorExtraData", "OS-SCH-HNT": "SchedulerHints", "OS-SRV-USG": "ServerUsage",
	"os-access-ips": "AccessIPs", "os-baremetal-ext-status": "BareMetalExtStatus", "os-baremetal-nodes": "BareMetalNodes",
	"os-create-server-ext": "Createserverext", "os-fixed-ips": "FixedIPs", "os-instance_usage_audit_log": "OSInstanceUsageAuditLog",
	"os-networks-associate": "NetworkAssociationSupport", "os-preserve-ephemeral-rebuild": "PreserveEphemeralOnRebuild",
	"os-quota-class-sets": "QuotaClasses", "os-quota-sets": "Quotas", "os-tenant-networks": "OSTenantNetworks",
}

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
			return nil, rest.NotFound("The resource could not be found.")
		}},
	}
}

// extensionName is an alias in words: "os-server-groups" is "ServerGroups".
func extensionName(alias string) string {
	if name, ok := extensionNames[alias]; ok {
		return name
	}
	if !strings.HasPrefix(alias, "os-") {
		return alias
	}
	name := ""
	for _, word := range strings.FieldsFunc(alias[3:], func(r rune) bool { return r == '-' || r == '_' }) {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}
