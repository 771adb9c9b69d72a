package api

import "gostack/internal/policy"

// realisedRules are upstream's defaults of trunks and what else hosts realise.
var realisedRules = []policy.Rule{
	{Name: "create_trunk", Check: "(rule:neutron:admin_only) or (role:member and project_id:%(project_id)s)", Scopes: projectScope},
	{Name: "create_trunk:tags", Check: "(rule:neutron:admin_only) or (role:member and project_id:%(project_id)s)", Scopes: projectScope},
	{Name: "get_trunk", Check: "(rule:neutron:admin_only) or (role:reader and project_id:%(project_id)s)", Scopes: projectScope},
	{Name: "get_trunk:tags", Check: "(rule:neutron:admin_only) or (role:reader and project_id:%(project_id)s)", Scopes: projectScope},
	{Name: "update_trunk", Check: "(rule:neutron:admin_only) or (role:member and project_id:%(project_id)s)", Scopes: projectScope},
	{Name: "update_trunk:tags", Check: "(rule:neutron:admin_only) or (role:member and project_id:%(project_id)s)", Scopes: projectScope},
	{Name: "delete_trunk", Check: "(rule:neutron:admin_only) or (role:member and project_id:%(project_id)s)", Scopes: projectScope},
	{Name: "delete_trunk:tags", Check: "(rule:neutron:admin_only) or (role:member and project_id:%(project_id)s)", Scopes: projectScope},
	{Name: "get_subports", Check: "(rule:neutron:admin_only) or (role:reader and project_id:%(project_id)s)", Scopes: projectScope},
	{Name: "add_subports", Check: "(rule:neutron:admin_only) or (role:member and project_id:%(project_id)s)", Scopes: projectScope},
	{Name: "remove_subports", Check: "(rule:neutron:admin_only) or (role:member and project_id:%(project_id)s)", Scopes: projectScope},
}
