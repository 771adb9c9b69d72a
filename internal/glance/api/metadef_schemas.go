package api

import (
	"encoding/json"
	"fmt"

	"gostack/internal/rest"
)

func ref(name string) object { return object{"$ref": "#/definitions/" + name} }

func kindOf(kind string) object { return object{"type": kind} }

// definitionTypes are the types that a defined property may have.
var definitionTypes = object{"type": "string", "enum": []any{"array", "boolean", "integer", "number", "object", "string", nil}}

// propertyFields are the parts of a property's definition, which is a JSON schema of a value.
func propertyFields() object {
	return object{
		"name":  object{"type": "string", "maxLength": 255},
		"title": kindOf("string"), "description": kindOf("string"),
		"operators": object{"type": "array", "items": kindOf("string")},
		"type":      definitionTypes, "required": ref("stringArray"),
		"minimum": kindOf("number"), "maximum": kindOf("number"), "maxLength": ref("positiveInteger"), "minLength": ref("positiveIntegerDefault0"),
		"pattern": object{"type": "string", "format": "regex"},
		"enum":    kindOf("array"), "readonly": kindOf("boolean"), "default": object{},
		"items":    object{"type": "object", "properties": object{"type": definitionTypes, "enum": kindOf("array")}},
		"maxItems": ref("positiveInteger"), "minItems": ref("positiveIntegerDefault0"),
		"uniqueItems": object{"type": "boolean", "default": false}, "additionalItems": kindOf("boolean"),
	}
}

func numberDefinitions() object {
	return object{
		"positiveInteger":         object{"type": "integer", "minimum": 0},
		"positiveIntegerDefault0": object{"allOf": []any{ref("positiveInteger"), object{"default": 0}}},
		"stringArray":             object{"type": "array", "items": kindOf("string"), "uniqueItems": true},
	}
}

func definitions() object {
	d := numberDefinitions()
	d["property"] = object{"type": "object", "additionalProperties": object{"type": "object", "required": []any{"title", "type"}, "properties": propertyFields()}}
	return d
}

func timeFields(of string, into object) object {
	into["created_at"] = field("string", "When the "+of+" was made", "readOnly", true, "format", "date-time")
	into["updated_at"] = field("string", "When the "+of+" changed last", "readOnly", true, "format", "date-time")
	return into
}

func selfFields(into object) object {
	into["self"] = object{"readOnly": true, "type": "string"}
	into["schema"] = object{"readOnly": true, "type": "string"}
	return into
}

// The definitions' schemas as the API shows them, by their last path segment.
var (
	namespaceDocument = object{
		"name": "namespace", "required": []any{"namespace"}, "additionalProperties": false, "definitions": definitions(),
		"properties": selfFields(timeFields("namespace", object{
			"namespace":    field("string", "Unique name of the namespace", "maxLength", 80),
			"display_name": field("string", "Name of the namespace, for people", "maxLength", 80),
			"description":  field("string", "What the namespace is about", "maxLength", 500),
			"visibility":   field("string", "Who may see the namespace", "enum", []any{"public", "private"}),
			"protected":    field("boolean", "Whether the namespace refuses to be deleted"),
			"owner":        field("string", "Project that owns the namespace", "maxLength", 255),
			"resource_type_associations": object{"type": "array", "items": object{"type": "object", "properties": object{
				"name": kindOf("string"), "prefix": kindOf("string"), "properties_target": kindOf("string"),
			}}},
			"properties": ref("property"),
			"objects": object{"type": "array", "items": object{"type": "object", "properties": object{
				"name": kindOf("string"), "description": kindOf("string"), "required": ref("stringArray"), "properties": ref("property"),
			}}},
			"tags": object{"type": "array", "items": object{"type": "object", "properties": object{"name": kindOf("string")}}},
		})),
	}
	objectDocument = object{
		"name": "object", "required": []any{"name"}, "additionalProperties": false, "definitions": definitions(),
		"properties": selfFields(timeFields("object", object{
			"name": object{"type": "string", "maxLength": 255}, "description": kindOf("string"),
			"required": ref("stringArray"), "properties": ref("property"),
		})),
	}
	propertyDocument = object{
		"name": "property", "required": []any{"type", "title", "name"}, "additionalProperties": false,
		"definitions": numberDefinitions(), "properties": propertyFields(),
	}
	tagDocument = object{
		"name": "tag", "required": []any{"name"}, "additionalProperties": false,
		"properties": timeFields("tag", object{"name": object{"type": "string", "maxLength": 80}}),
	}
	associationDocument = object{
		"name": "resource_type_association", "required": []any{"name"}, "additionalProperties": false,
		"properties": timeFields("association", object{
			"name":              field("string", "Kind of thing that the definitions are about, by Heat's name of it where it has one", "maxLength", 80),
			"prefix":            field("string", "What is put before property names for this kind of thing, with its separator", "maxLength", 80),
			"properties_target": field("string", "Which properties are meant where a kind of thing has several sets, as image for volumes", "maxLength", 80),
		}),
	}

	metadefDocuments = map[string]object{
		"namespace": namespaceDocument, "namespaces": paged("namespaces", namespaceDocument),
		"object": objectDocument, "objects": paged("objects", objectDocument),
		"property": propertyDocument, "properties": propertiesDocument(),
		"tag": tagDocument, "tags": paged("tags", tagDocument),
		"resource_type": associationDocument, "resource_types": paged("resource_type_associations", associationDocument),
	}
)

// paged is the schema of a list with pages; definitions are at its root, where references find them.
func paged(name string, item object) object {
	inner := without(item, "definitions")
	document := collection(name, inner, link("first", "{first}"), link("next", "{next}"))
	if d, ok := item["definitions"]; ok {
		document["definitions"] = d
	}
	return document
}

func propertiesDocument() object {
	document := paged("properties", propertyDocument)
	document["properties"].(object)["properties"] = object{"type": "object", "additionalProperties": without(propertyDocument, "definitions")}
	return document
}

// checking makes a schema of requests from a document.
func checking(document object) *rest.Schema {
	document = without(document, "name")
	document["type"] = "object"
	text, err := json.Marshal(document)
	if err != nil {
		panic(fmt.Sprintf("a schema is no JSON: %v", err))
	}
	return rest.JSON(string(text))
}

// What clients' definitions are checked against.
var (
	namespaceSchema   = checking(namespaceDocument)
	objectSchema      = checking(objectDocument)
	propertySchema    = checking(propertyDocument)
	tagSchema         = checking(tagDocument)
	associationSchema = checking(associationDocument)
	tagsSchema        = checking(object{"required": []any{"tags"}, "additionalProperties": false, "properties": object{
		"tags": object{"type": "array", "items": without(without(tagDocument, "name"), "")},
	}})
)
