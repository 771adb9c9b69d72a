package api

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"gostack/internal/rest"
)

// jsonHome is the media type of home documents (draft-nottingham-json-home).
const jsonHome = "application/json-home"

// relations name what the paths of the API are, in upstream's words (keystone's json_home relations). A path of an extension has its name in it.
// As upstream, a project's tags are named by the path of one of them.
var relations = map[string]string{
	"/auth/tokens": "auth_tokens", "/auth/catalog": "auth_catalog", "/auth/projects": "auth_projects", "/auth/domains": "auth_domains", "/auth/system": "auth_system",
	"/auth/tokens/OS-PKI/revoked": "revocations", "/OS-REVOKE/events": "events", "/OS-SIMPLE-CERT/ca": "ca_certificate", "/OS-SIMPLE-CERT/certificates": "certificates",
	"/ec2tokens": "ec2tokens", "/s3tokens": "s3tokens", "/OS-OAUTH2/token": "token",

	"/domains": "domains", "/domains/{domain_id}": "domain", "/domains/{domain_id}/config": "domain_config", "/domains/{domain_id}/config/{group}": "domain_config_group",
	"/domains/{domain_id}/config/{group}/{option}": "domain_config_option", "/domains/config/default": "domain_config_default",
	"/domains/config/{group}/default": "domain_config_default_group", "/domains/config/{group}/{option}/default": "domain_config_default_option",
	"/projects": "projects", "/projects/{project_id}": "project", "/projects/{project_id}/tags/{value}": "project_tags",
	"/users": "users", "/users/{user_id}": "user", "/users/{user_id}/password": "user_change_password", "/users/{user_id}/groups": "user_groups", "/users/{user_id}/projects": "user_projects",
	"/users/{user_id}/application_credentials":                             "application_credentials",
	"/users/{user_id}/application_credentials/{application_credential_id}": "application_credential",
	"/users/{user_id}/access_rules":                                        "access_rules", "/users/{user_id}/access_rules/{access_rule_id}": "access_rule",
	"/users/{user_id}/credentials/OS-EC2": "user_credentials", "/users/{user_id}/credentials/OS-EC2/{credential_id}": "user_credential",
	"/groups": "groups", "/groups/{group_id}": "group", "/groups/{group_id}/users": "group_users", "/groups/{group_id}/users/{user_id}": "group_user",
	"/roles": "roles", "/roles/{role_id}": "role", "/roles/{prior_role_id}/implies": "implied_roles", "/roles/{prior_role_id}/implies/{implied_role_id}": "implied_role",
	"/role_assignments": "role_assignments", "/role_inferences": "role_inferences", "/credentials": "credentials", "/credentials/{credential_id}": "credential",
	"/regions": "regions", "/regions/{region_id}": "region", "/services": "services", "/services/{service_id}": "service",
	"/endpoints": "endpoints", "/endpoints/{endpoint_id}": "endpoint", "/policies": "policies", "/policies/{policy_id}": "policy",
	"/limits": "limits", "/limits/{limit_id}": "limit", "/limits/model": "limit_model",
	"/registered_limits": "registered_limits", "/registered_limits/{registered_limit_id}": "registered_limit",

	"/domains/{domain_id}/groups/{group_id}/roles": "domain_group_roles", "/domains/{domain_id}/groups/{group_id}/roles/{role_id}": "domain_group_role",
	"/domains/{domain_id}/users/{user_id}/roles": "domain_user_roles", "/domains/{domain_id}/users/{user_id}/roles/{role_id}": "domain_user_role",
	"/projects/{project_id}/groups/{group_id}/roles": "project_group_roles", "/projects/{project_id}/groups/{group_id}/roles/{role_id}": "project_group_role",
	"/projects/{project_id}/users/{user_id}/roles": "project_user_roles", "/projects/{project_id}/users/{user_id}/roles/{role_id}": "project_user_role",
	"/system/groups/{group_id}/roles": "system_group_roles", "/system/groups/{group_id}/roles/{role_id}": "system_group_role",
	"/system/users/{user_id}/roles": "system_user_roles", "/system/users/{user_id}/roles/{role_id}": "system_user_role",
	"/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects":             "domain_group_roles_inherited_to_projects",
	"/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects":   "domain_group_role_inherited_to_projects",
	"/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects":               "domain_user_roles_inherited_to_projects",
	"/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects":     "domain_user_role_inherited_to_projects",
	"/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects": "project_group_role_inherited_to_projects",
	"/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects":   "project_user_role_inherited_to_projects",

	"/OS-TRUST/trusts": "trusts", "/OS-TRUST/trusts/{trust_id}": "trust", "/OS-TRUST/trusts/{trust_id}/roles": "trust_roles", "/OS-TRUST/trusts/{trust_id}/roles/{role_id}": "trust_role",
	"/OS-OAUTH1/consumers": "consumers", "/OS-OAUTH1/consumers/{consumer_id}": "consumer", "/OS-OAUTH1/request_token": "request_tokens", "/OS-OAUTH1/access_token": "access_tokens",
	"/OS-OAUTH1/authorize/{request_token_id}": "authorize_request_token", "/users/{user_id}/OS-OAUTH1/access_tokens": "user_access_tokens",
	"/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}":                 "user_access_token",
	"/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles":           "user_access_token_roles",
	"/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}": "user_access_token_role",

	"/OS-EP-FILTER/endpoint_groups": "endpoint_groups", "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}": "endpoint_group",
	"/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints":             "endpoints_in_endpoint_group",
	"/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects":              "projects_associated_with_endpoint_group",
	"/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}": "endpoint_group_to_project_association",
	"/OS-EP-FILTER/endpoints/{endpoint_id}/projects":                          "endpoint_projects", "/OS-EP-FILTER/projects/{project_id}/endpoint_groups": "project_endpoint_groups",
	"/OS-EP-FILTER/projects/{project_id}/endpoints": "project_endpoints", "/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}": "project_endpoint",
	"/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy": "endpoint_policy", "/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints": "policy_endpoints",
	"/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}":                   "endpoint_policy_association",
	"/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}":                     "service_policy_association",
	"/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}": "region_and_service_policy_association",
}

// parameters are variables of paths whose relation has another name, or is an extension's.
var parameters = map[string]string{
	"prior_role_id": "param/role_id", "implied_role_id": "param/role_id", "group": "param/config_group", "option": "param/config_option", "value": "param/tag_value",
	"trust_id": "ext/OS-TRUST/1.0/param/trust_id", "consumer_id": "ext/OS-OAUTH1/1.0/param/consumer_id",
	"request_token_id": "ext/OS-OAUTH1/1.0/param/request_token_id", "access_token_id": "ext/OS-OAUTH1/1.0/param/access_token_id",
	"endpoint_group_id": "ext/OS-EP-FILTER/1.0/param/endpoint_group_id",
}

// relationBase is what all relations begin with.
const relationBase = "https://docs.openstack.org/api/openstack-identity/3/"

// extensionOf is the extension that a path belongs to; "" is none.
func extensionOf(path string) string {
	switch path {
	case "/ec2tokens":
		return "OS-EC2"
	case "/s3tokens":
		return "s3tokens"
	}
	for part := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(part, "OS-") {
			return part
		}
	}
	return ""
}

// home is the home document of some routes, whose addresses begin with prefix.
func home(routes []rest.Route, prefix string) map[string]any {
	resources := map[string]any{}
	for _, route := range routes {
		name, known := relations[route.Path]
		if !known {
			continue
		}
		extension := extensionOf(route.Path)
		relation := relationBase + "rel/" + name
		if extension != "" {
			relation = relationBase + "ext/" + extension + "/1.0/rel/" + name
		}
		resource := map[string]any{"href": prefix + route.Path}
		if variables := variablesOf(route.Path, extension); len(variables) > 0 {
			resource = map[string]any{"href-template": prefix + route.Path, "href-vars": variables}
		}
		if strings.HasPrefix(route.Path, "/limits") || strings.HasPrefix(route.Path, "/registered_limits") {
			resource["hints"] = map[string]any{"status": "experimental"} // as upstream still has them
		}
		resources[relation] = resource
	}
	return map[string]any{"resources": resources}
}

// variablesOf are the variables of a path with their relations.
func variablesOf(path, extension string) map[string]string {
	variables := map[string]string{}
	for part := range strings.SplitSeq(path, "/") {
		name, is := strings.CutPrefix(part, "{")
		if !is {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		relation := "param/" + name
		if other := parameters[name]; other != "" {
			relation = other
		}
		if name == "credential_id" && extension == "OS-EC2" {
			relation = "ext/OS-EC2/1.0/param/credential_id"
		}
		variables[name] = relationBase + relation
	}
	return variables
}

// wantsHome tells whether a client would rather have the home document than the version document.
func wantsHome(h http.Header) bool {
	best, found := 0.0, false
	for item := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		kind, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		quality := 1.0
		if text, there := params["q"]; there {
			if quality, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		switch kind {
		case jsonHome, "application/json", "application/*", "*/*":
			if quality > best {
				best, found = quality, kind == jsonHome
			}
		}
	}
	return found
}

// answerHome is the home document as an answer.
func answerHome(routes []rest.Route, prefix string) *rest.Response {
	return rest.Reply(http.StatusOK, home(routes, prefix)).With("Content-Type", jsonHome)
}
