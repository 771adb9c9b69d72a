package api

import (
	"strings"

	"gostack/internal/rest"
)

// Pieces of the schemas of keystone/common/validation/parameter_types.py and of each resource's schema.py.
const (
	identityName = `{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "[\\S]+"}`
	resourceName = `{"type": "string", "minLength": 1, "maxLength": 64, "pattern": "[\\S]+"}`
	idString     = `{"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9-]+$"}`
	idOrNull     = `{"type": ["string", "null"], "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9-]+$"}`
	textOrNull   = `{"type": ["string", "null"]}`
	boolean      = `{"type": "boolean"}`
	tagName      = `{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^,/]*$"}`
	tagList      = `{"type": "array", "items": ` + tagName + `, "maxItems": 80, "uniqueItems": true}`
	immutability = `{"type": "object", "properties": {"immutable": {"type": ["boolean", "null"]}}, "additionalProperties": false}`
	userOptions  = `{"type": "object", "additionalProperties": false, "properties": {
		"ignore_change_password_upon_first_use": {"type": ["boolean", "null"]}, "ignore_password_expiry": {"type": ["boolean", "null"]},
		"ignore_lockout_failure_attempts": {"type": ["boolean", "null"]}, "ignore_user_inactivity": {"type": ["boolean", "null"]},
		"lock_password": {"type": ["boolean", "null"]}, "multi_factor_auth_enabled": {"type": ["boolean", "null"]},
		"multi_factor_auth_rules": {"type": ["array", "null"], "uniqueItems": true,
			"items": {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "string"}}}}}`
)

// body makes the schema of {"user": {…}}: an object of the given properties, of which some are required. Other members are kept with the
// resource. An update must have at least one.
func body(key, properties string, required ...string) *rest.Schema {
	rule := `"minProperties": 1`
	if len(required) > 0 {
		rule = `"required": ["` + strings.Join(required, `", "`) + `"]`
	}
	if len(required) == 1 && required[0] == "" {
		rule = `"minProperties": 0`
	}
	return rest.JSON(`{"type": "object", "required": ["` + key + `"], "properties": {"` + key + `":
		{"type": "object", ` + rule + `, "properties": {` + properties + `}}}}`)
}
