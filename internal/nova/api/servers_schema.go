package api

import (
	"strings"

	"gostack/internal/rest"
)

const (
	metadataSchema = `{"type": "object", "additionalProperties": false, "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": {"type": "string", "maxLength": 255}}}`
	tagSchema      = `{"type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$"}`
	hostnameSchema = `{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9-._]*$"}`
	rfcHostSchema  = `{"type": "string", "minLength": 2, "maxLength": 63, "pattern": "^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$"}`
	fqdnSchema     = `{"type": "string", "minLength": 2, "maxLength": 255, "pattern": "^[a-zA-Z0-9]+[a-zA-Z0-9-.]*[a-zA-Z0-9]+$"}`
	ipv4Schema     = `{"anyOf": [{"type": "string", "format": "ipv4"}, {"const": ""}]}`
	ipv6Schema     = `{"anyOf": [{"type": "string", "format": "ipv6"}, {"const": ""}]}`
	diskConfig     = `{"type": "string", "enum": ["AUTO", "MANUAL"]}`
	uuidSchema     = `{"type": "string", "format": "uuid"}`
	countSchema    = `{"type": ["integer", "string"], "pattern": "^[0-9]*$", "minimum": 1, "minLength": 1}`
	zoneSchema     = `{"type": "string", "minLength": 1, "maxLength": 255}`
)

// createSchema is the body of POST /servers at 2.minor.
func createSchema(minor int) *rest.Schema {
	at := func(m int) bool { return minor >= m }
	nic := `"fixed_ip": {"type": "string", "format": "ip-address"}, "port": {"anyOf": [` + uuidSchema + `, {"type": "null"}]}, "uuid": ` + uuidSchema
	if minor == 32 || at(42) || minor > 32 && minor < 37 {
		nic += `, "tag": ` + tagSchema
	}
	networks := `{"type": "array", "items": {"type": "object", "additionalProperties": false, "properties": {` + nic + `}}}`
	required := []string{`"name"`, `"flavorRef"`}
	if at(37) {
		networks = `{"oneOf": [` + networks + `, {"type": "string", "enum": ["none", "auto"]}]}`
		required = append(required, `"networks"`)
	}
	props := []string{
		`"name": ` + nameSchema, `"imageRef": {"anyOf": [` + uuidSchema + `, {"const": ""}]}`, `"flavorRef": {"type": ["string", "integer"], "minLength": 1}`,
		`"adminPass": {"type": "string"}`, `"metadata": ` + metadataSchema, `"networks": ` + networks, `"OS-DCF:diskConfig": ` + diskConfig, `"accessIPv4": ` + ipv4Schema,
		`"accessIPv6": ` + ipv6Schema, `"availability_zone": ` + zoneSchema, `"config_drive": ` + booleanSchema, `"min_count": ` + countSchema, `"max_count": ` + countSchema,
		`"return_reservation_id": ` + booleanSchema, `"key_name": {"type": "string", "minLength": 1, "maxLength": 255}`,
		`"user_data": {"type": "string", "format": "base64", "maxLength": 65535}`,
		`"security_groups": {"type": "array", "items": {"type": "object", "additionalProperties": false, "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 255}}}}`,
		`"block_device_mapping": {"type": "array", "items": {"type": "object", "additionalProperties": false, "properties": {` + oldDeviceFields + `}}}`, `"block_device_mapping_v2": {"type": "array", "items": ` + deviceSchema(minor) + `}`,
	}
	if !at(57) {
		props = append(props, `"personality": {"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["path", "contents"],
			"properties": {"path": {"type": "string"}, "contents": {"type": "string", "format": "base64"}}}}`)
	}
	for _, p := range []struct {
		from int
		prop string
	}{
		{19, `"description": ` + serverDescriptionSchema},
		{52, `"tags": {"type": "array", "maxItems": 50, "items": ` + tagSchema + `}`},
		{63, `"trusted_image_certificates": {"type": ["array", "null"], "minItems": 1, "maxItems": 50, "uniqueItems": true, "items": {"type": "string", "minLength": 1}}`},
		{74, `"host": ` + hostnameSchema},
		{74, `"hypervisor_hostname": ` + hostnameSchema},
	} {
		if at(p.from) {
			props = append(props, p.prop)
		}
	}
	switch {
	case at(94):
		props = append(props, `"hostname": `+fqdnSchema)
	case at(90):
		props = append(props, `"hostname": `+rfcHostSchema)
	}
	hint := `{"anyOf": [{"type": "object"}]}`
	return rest.JSON(`{"type": "object", "required": ["server"], "additionalProperties": false, "properties": {
		"os:scheduler_hints": ` + hint + `, "OS-SCH-HNT:scheduler_hints": ` + hint + `, "server": {
		"type": "object", "required": [` + strings.Join(required, ", ") + `], "additionalProperties": false, "properties": {` + strings.Join(props, ", ") + `}}}}`)
}

func deviceSchema(minor int) string {
	more := ""
	if minor == 32 || minor >= 42 {
		more += `, "tag": ` + tagSchema
	}
	if minor >= 67 {
		more += `, "volume_type": {"type": ["string", "null"], "minLength": 0, "maxLength": 255}`
	}
	return `{"type": "object", "additionalProperties": false, "properties": {` + oldDeviceFields + `,
		"source_type": {"type": "string", "enum": ["volume", "image", "snapshot", "blank"]}, "uuid": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._-]*$"},
		"image_id": ` + uuidSchema + `, "destination_type": {"type": "string", "enum": ["local", "volume"]}, "guest_format": {"type": "string", "maxLength": 255},
		"device_type": {"type": "string", "maxLength": 255}, "disk_bus": {"type": "string", "maxLength": 255}, "boot_index": {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$"}` + more + `}}`
}

// oldDeviceFields are those of block_device_mapping, which the new form takes too. Upstream's pattern of device names leaves out the dash.
var oldDeviceFields = `"virtual_name": {"type": "string", "maxLength": 255}, "volume_id": ` + uuidSchema + `, "snapshot_id": ` + uuidSchema + `, "volume_size": ` + number(1) + `,
	"device_name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._/]*$"}, "delete_on_termination": ` + booleanSchema + `, "no_device": {},
	"connection_info": {"type": "string", "maxLength": 16777215}`

// createVersions are the microversions at which the body of POST /servers changes.
var createVersions = []int{1, 19, 32, 33, 37, 42, 52, 57, 63, 67, 74, 90, 94}

// updateSchema is the body of PUT /servers/{id} at 2.minor.
func updateSchema(minor int) *rest.Schema {
	props := []string{`"name": ` + nameSchema, `"OS-DCF:diskConfig": ` + diskConfig, `"accessIPv4": ` + ipv4Schema, `"accessIPv6": ` + ipv6Schema}
	if minor >= 19 {
		props = append(props, `"description": `+serverDescriptionSchema)
	}
	switch {
	case minor >= 94:
		props = append(props, `"hostname": `+fqdnSchema)
	case minor >= 90:
		props = append(props, `"hostname": `+rfcHostSchema)
	}
	if minor >= 104 {
		props = append(props, `"pinned_availability_zone": {"type": ["string", "null"], "minLength": 1, "maxLength": 255}`)
	}
	return rest.JSON(`{"type": "object", "required": ["server"], "additionalProperties": false, "properties": {"server": {
		"type": "object", "additionalProperties": false, "properties": {` + strings.Join(props, ", ") + `}}}}`)
}

var updateVersions = []int{1, 19, 90, 94, 104}

// schemas makes the windows of a body that changes at the given minors.
func schemas(minors []int, schema func(minor int) *rest.Schema) []window {
	out := make([]window, len(minors))
	for i, m := range minors {
		out[i] = window{rest.V(2, m), schema(m)}
	}
	return out
}
