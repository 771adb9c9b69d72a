package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"gostack/internal/rest"
)

type object = map[string]any

const uuidPattern = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"

var (
	containerFormats = []any{nil, "ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"}
	diskFormats      = []any{nil, "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop", "gpt"}
	optionalString   = []any{"null", "string"}
	optionalInteger  = []any{"null", "integer"}
)

// field is a property of a schema; more is a list of further keys and values.
func field(kind any, description string, more ...any) object {
	f := object{"type": kind, "description": description}
	for i := 0; i+1 < len(more); i += 2 {
		f[more[i].(string)] = more[i+1]
	}
	return f
}

// baseProperties are the attributes of every image.
func baseProperties() object {
	return object{
		"id":               field("string", "Identifier of the image", "pattern", uuidPattern),
		"name":             field(optionalString, "Name of the image, for people", "maxLength", 255),
		"status":           field("string", "Where the image is in its life", "readOnly", true, "enum", []any{"queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"}),
		"visibility":       field("string", "Who may see the image", "enum", []any{"community", "public", "private", "shared"}),
		"protected":        field("boolean", "Whether the image refuses to be deleted"),
		"os_hidden":        field("boolean", "Whether lists leave the image out unless asked for it"),
		"checksum":         field(optionalString, "MD5 of the data", "readOnly", true, "maxLength", 32),
		"os_hash_algo":     field(optionalString, "Algorithm of os_hash_value", "readOnly", true, "maxLength", 64),
		"os_hash_value":    field(optionalString, "Hash of the data in hexadecimal", "readOnly", true, "maxLength", 128),
		"owner":            field(optionalString, "Project that owns the image", "maxLength", 255),
		"size":             field(optionalInteger, "Bytes of data", "readOnly", true),
		"virtual_size":     field(optionalInteger, "Bytes of the disk inside", "readOnly", true),
		"container_format": field(optionalString, "What the data is wrapped in", "enum", containerFormats),
		"disk_format":      field(optionalString, "Format of the disk", "enum", diskFormats),
		"created_at":       field("string", "When the image was registered", "readOnly", true),
		"updated_at":       field("string", "When the image changed last", "readOnly", true),
		"tags":             field("array", "Words the image is marked with", "items", object{"type": "string", "maxLength": 255}),
		"direct_url":       field("string", "Where the data is kept", "readOnly", true),
		"min_ram":          field("integer", "MiB of memory that a server needs to boot the image"),
		"min_disk":         field("integer", "GiB of disk that a server needs to boot the image"),
		"self":             field("string", "Address of the image", "readOnly", true),
		"file":             field("string", "Address of the data", "readOnly", true),
		"stores":           field("string", "Stores that hold the data, when there are several", "readOnly", true),
		"schema":           field("string", "Address of this schema", "readOnly", true),
		"locations": field("array", "Where the data is kept, and what is known about that", "items", object{
			"type": "object", "required": []any{"url", "metadata"},
			"properties": object{"url": object{"type": "string", "maxLength": 255}, "metadata": object{"type": "object"}},
		}),
	}
}

// customProperties are those that upstream's schema-image.json describes.
func customProperties() object {
	return object{
		"kernel_id":     field(optionalString, "Image with the kernel to boot this one with", "pattern", uuidPattern, "is_base", false),
		"ramdisk_id":    field(optionalString, "Image with the ramdisk to boot this one with", "pattern", uuidPattern, "is_base", false),
		"instance_uuid": field("string", "Server that the image was made from", "is_base", false),
		"architecture":  field("string", "Processor architecture the image is for", "is_base", false),
		"os_distro":     field("string", "Operating system's common name", "is_base", false),
		"os_version":    field("string", "Operating system's version", "is_base", false),
	}
}

func link(rel, href string) object { return object{"rel": rel, "href": href} }

// The schemas that the API shows.
var (
	imageDocument   = makeImageDocument()
	imagesDocument  = collection("images", imageDocument, link("first", "{first}"), link("next", "{next}"))
	memberDocument  = object{"name": "member", "properties": memberProperties()}
	membersDocument = collection("members", memberDocument)
	taskDocument    = object{"name": "task", "properties": taskProperties()}
	tasksDocument   = collection("tasks", taskDocument, link("first", "{first}"), link("next", "{next}"))
)

func makeImageDocument() object {
	properties := baseProperties()
	maps.Copy(properties, customProperties())
	return object{
		"name": "image", "properties": properties, "additionalProperties": object{"type": "string"},
		"links": []any{link("self", "{self}"), link("enclosure", "{file}"), link("describedby", "{schema}")},
	}
}

func collection(name string, item object, links ...any) object {
	properties := object{name: object{"type": "array", "items": item}, "schema": object{"type": "string"}}
	for _, l := range links {
		properties[l.(object)["rel"].(string)] = object{"type": "string"}
	}
	return object{"name": name, "properties": properties, "links": append(slices.Clone(links), link("describedby", "{schema}"))}
}

func memberProperties() object {
	return object{
		"member_id":  field("string", "Project that the image is shared with"),
		"image_id":   field("string", "Identifier of the image", "pattern", uuidPattern),
		"created_at": field("string", "When the image was shared"),
		"updated_at": field("string", "When the member changed last"),
		"status":     field("string", "What the member answered", "enum", []any{"pending", "accepted", "rejected"}),
		"schema":     object{"type": "string", "readOnly": true},
	}
}

func taskProperties() object {
	return object{
		"id":         field("string", "Identifier of the task", "pattern", uuidPattern),
		"type":       field("string", "What the task does", "enum", []any{"import", "api_image_import", "location_import"}),
		"status":     field("string", "Where the task is in its life", "enum", []any{"pending", "processing", "success", "failure"}),
		"input":      field([]any{"null", "object"}, "What the task was given"),
		"result":     field([]any{"null", "object"}, "What the task made"),
		"owner":      field("string", "Project that owns the task"),
		"message":    field("string", "What there is to say about the task"),
		"image_id":   field("string", "Image the task is about"),
		"request_id": field("string", "Request that made the task"),
		"user_id":    field("string", "User that made the task"),
		"expires_at": field([]any{"null", "string"}, "When the task may be forgotten"),
		"created_at": field("string", "When the task was made"),
		"updated_at": field("string", "When the task changed last"),
		"self":       object{"type": "string", "readOnly": true},
		"schema":     object{"type": "string", "readOnly": true},
	}
}

func schemaOf(document object) func(*rest.Request) (any, error) {
	return func(*rest.Request) (any, error) { return document, nil }
}

// taskSchema is what new tasks are checked against.
var taskSchema = checking(object{"properties": taskProperties(), "additionalProperties": false})

// imageSchema is what clients' images are checked against.
var imageSchema = func() *rest.Schema {
	text, err := json.Marshal(object{"type": "object", "properties": imageDocument["properties"], "additionalProperties": object{"type": "string"}})
	if err != nil {
		panic(fmt.Sprintf("the image schema is no JSON: %v", err))
	}
	return rest.JSON(string(text))
}()
