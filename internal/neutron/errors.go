package neutron

import (
	"fmt"
	"net/http"
	"strings"

	"gostack/internal/rest"
	"gostack/internal/store"
)

// This file holds upstream's exceptions by name, with their statuses and sentences (neutron-lib's exceptions package):
// clients and Tempest read both.

func fault(status int, name, format string, args ...any) *rest.Error {
	return rest.Fail(status, format, args...).WithType(name)
}

func bad(name, format string, args ...any) *rest.Error {
	return fault(http.StatusBadRequest, name, format, args...)
}

func conflict(name, format string, args ...any) *rest.Error {
	return fault(http.StatusConflict, name, format, args...)
}

func missing(name, format string, args ...any) *rest.Error {
	return fault(http.StatusNotFound, name, format, args...)
}

func invalidInput(format string, args ...any) *rest.Error {
	return bad("InvalidInput", "Invalid input for operation: %s.", strings.TrimSuffix(fmt.Sprintf(format, args...), "."))
}

func badRequest(resource, format string, args ...any) *rest.Error {
	return bad("BadRequest", "Bad %s request: %s.", resource, strings.TrimSuffix(fmt.Sprintf(format, args...), "."))
}

// NetworkNotFound and the others are the answers to ids that are not there.
func NetworkNotFound(id string) error {
	return missing("NetworkNotFound", "Network %s could not be found.", id)
}

// SubnetNotFound is a 404.
func SubnetNotFound(id string) error {
	return missing("SubnetNotFound", "Subnet %s could not be found.", id)
}

// PortNotFound is a 404.
func PortNotFound(id string) error {
	return missing("PortNotFound", "Port %s could not be found.", id)
}

// RouterNotFound is a 404.
func RouterNotFound(id string) error {
	return missing("RouterNotFound", "Router %s could not be found", id)
}

// FloatingIPNotFound is a 404.
func FloatingIPNotFound(id string) error {
	return missing("FloatingIPNotFound", "Floating IP %s could not be found", id)
}

// SecurityGroupNotFound is a 404.
func SecurityGroupNotFound(id string) error {
	return missing("SecurityGroupNotFound", "Security group %s does not exist", id)
}

// RuleNotFound is a 404.
func RuleNotFound(id string) error {
	return missing("SecurityGroupRuleNotFound", "Security group rule %s does not exist", id)
}

// RBACNotFound is a 404.
func RBACNotFound(id string) error {
	return missing("RbacPolicyNotFound", "RBAC policy of type None with ID %s not found", id)
}

func networkInUse(id string, ports []string) error {
	msg := "Unable to complete operation on network " + id + ". There are one or more ports still in use on the network"
	if len(ports) > 0 {
		msg += ", id for these ports is: " + strings.Join(ports, ",")
	}
	return conflict("NetworkInUse", "%s.", msg)
}

func subnetInUse(id, reason string) error {
	if reason == "" {
		reason = "One or more ports have an IP allocation from this subnet."
	}
	return conflict("SubnetInUse", "Unable to complete operation on subnet %s: %s", id, reason)
}

func ipTaken(subnet, ip string) error {
	return conflict("IpAddressAlreadyAllocated", "IP address %s already allocated in subnet %s", ip, subnet)
}

func macInUse(network, mac string) error {
	return conflict("MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in use.", network, mac)
}

func noMoreAddresses(network string) error {
	return conflict("IpAddressGenerationFailure", "No more IP addresses available on network %s.", network)
}

func overQuota(resource string) error {
	return conflict("OverQuota", "Quota exceeded for resources: ['%s'].", resource)
}

// or returns what a missing row means, and any other error as it is.
func or(err, absent error) error {
	if store.IsNotFound(err) {
		return absent
	}
	return err
}

// TagNotFound is a 404.
func TagNotFound(tag string) error {
	return missing("TagNotFound", "Tag %s could not be found.", tag)
}
