package glance

import "gostack/internal/policy"

const (
	admin         = "role:admin"
	owner         = "project_id:%(project_id)s"
	ownerMember   = admin + " or (role:member and " + owner + ")"
	ownerReader   = admin + " or (role:reader and " + owner + ")"
	seen          = "(" + owner + " or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s or 'shared':%(visibility)s)"
	metadefReader = admin + " or (role:reader and (" + owner + " or 'public':%(visibility)s))"
	ownOrMember   = admin + " or role:reader and (" + owner + " or project_id:%(member_id)s)"
)

// Policies are the image service's rules with upstream's defaults. Upstream's base rule context_is_admin is written out
// as role:admin, because rule names are shared by all services here.
var Policies = []policy.Rule{
	rule("add_image", admin+" or (role:member and "+owner+" and project_id:%(owner)s)"),
	rule("delete_image", ownerMember),
	rule("get_image", admin+" or (role:reader and "+seen+")"),
	rule("get_images", ownerReader),
	rule("modify_image", ownerMember),
	rule("publicize_image", admin),
	rule("communitize_image", ownerMember),
	rule("download_image", admin+" or (role:member and "+seen+")"),
	rule("upload_image", ownerMember),
	rule("delete_image_location", admin),
	rule("get_image_location", ownerReader),
	rule("set_image_location", ownerMember),
	rule("add_member", ownerMember),
	rule("delete_member", ownerMember),
	rule("get_member", ownOrMember),
	rule("get_members", ownOrMember),
	rule("modify_member", admin+" or (role:member and project_id:%(member_id)s)"),
	rule("deactivate", ownerMember),
	rule("reactivate", ownerMember),
	rule("stores_info_detail", "role:service or "+admin),
	rule("add_image_location", "role:service or "+admin+" or (role:member and "+owner+" and project_id:%(owner)s)"),
	rule("fetch_image_location", "role:service or "+admin),
	rule("copy_image", admin),
	rule("cache_image", admin),
	rule("cache_list", admin),
	rule("cache_delete", admin),
	rule("cache_clean", admin),
	rule("cache_prune", admin),
	rule("list_cached_nodes", admin),
	rule("tasks_api_access", admin),

	rule("get_metadef_namespace", metadefReader),
	rule("get_metadef_namespaces", ownerReader),
	rule("modify_metadef_namespace", admin),
	rule("add_metadef_namespace", admin),
	rule("delete_metadef_namespace", admin),
	rule("get_metadef_object", metadefReader),
	rule("get_metadef_objects", metadefReader),
	rule("modify_metadef_object", admin),
	rule("add_metadef_object", admin),
	rule("delete_metadef_object", admin),
	rule("list_metadef_resource_types", metadefReader),
	rule("get_metadef_resource_type", metadefReader),
	rule("add_metadef_resource_type_association", admin),
	rule("remove_metadef_resource_type_association", admin),
	rule("get_metadef_property", metadefReader),
	rule("get_metadef_properties", metadefReader),
	rule("modify_metadef_property", admin),
	rule("add_metadef_property", admin),
	rule("remove_metadef_property", admin),
	rule("get_metadef_tag", metadefReader),
	rule("get_metadef_tags", metadefReader),
	rule("modify_metadef_tag", admin),
	rule("add_metadef_tag", admin),
	rule("add_metadef_tags", admin),
	rule("delete_metadef_tag", admin),
	rule("delete_metadef_tags", admin),
}

func rule(name, check string) policy.Rule {
	return policy.Rule{Name: name, Check: check, Scopes: []policy.Scope{policy.Project}}
}
