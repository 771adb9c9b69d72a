package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"sort"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Schema is a JSON schema (draft 2020-12) of a request. Compiled at first use or at start.
type Schema struct {
	text string
	once sync.Once
	s    *jsonschema.Schema
	err  error
}

// JSON declares a schema by its text.
func JSON(text string) *Schema { return &Schema{text: text} }

// Relaxed is the same schema with objects that may have more members than it names: for APIs from before strict validation.
func (s *Schema) Relaxed() *Schema {
	if s == nil {
		return nil
	}
	var doc any
	if err := json.Unmarshal([]byte(s.text), &doc); err != nil {
		return s // which says so when it is compiled
	}
	relax(doc)
	text, _ := json.Marshal(doc) // what was just read
	return JSON(string(text))
}

func relax(v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["properties"] != nil && v["additionalProperties"] == false {
			delete(v, "additionalProperties")
		}
		for _, e := range v {
			relax(e)
		}
	case []any:
		for _, e := range v {
			relax(e)
		}
	}
}

// AnyJSON takes any JSON object.
var AnyJSON = JSON(`{"type": "object"}`)

func (s *Schema) compileError() error {
	if s == nil {
		return nil
	}
	s.once.Do(func() {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(s.text))
		if err != nil {
			s.err = fmt.Errorf("schema: %w", err)
			return
		}
		c := jsonschema.NewCompiler()
		c.DefaultDraft(jsonschema.Draft2020)
		c.AssertFormat()
		for _, f := range formats {
			c.RegisterFormat(f)
		}
		if s.err = c.AddResource("body.json", doc); s.err == nil {
			s.s, s.err = c.Compile("body.json")
		}
	})
	return s.err
}

// Validate checks a decoded document and explains the first violation in the words of Python's jsonschema, as OpenStack's
// services do: "Invalid input for field/attribute name. Value: 7. 7 is not of type 'string'".
func (s *Schema) Validate(doc any) error {
	if err := s.compileError(); err != nil {
		return err
	}
	err := s.s.Validate(doc)
	if err == nil {
		return nil
	}
	v, ok := err.(*jsonschema.ValidationError) //nolint:errorlint // the library's own type, never wrapped
	if !ok {
		return err
	}
	leaf := firstLeaf(v)
	value := at(doc, leaf.InstanceLocation)
	for _, name := range leaf.InstanceLocation {
		if namesSecret(name) {
			value = "***"
		}
	}
	violation := &Violation{Message: explain(leaf, value)}
	if extra, ok := leaf.ErrorKind.(*kind.AdditionalProperties); ok {
		if patterns := s.patterns(leaf.SchemaURL); len(patterns) > 0 {
			violation.Message = noPattern(extra.Properties, patterns)
		}
	}
	if keyword := leaf.ErrorKind.KeywordPath(); len(keyword) > 0 {
		violation.Keyword = keyword[len(keyword)-1]
	}
	if n := len(leaf.InstanceLocation); n > 0 {
		violation.Field, violation.value = leaf.InstanceLocation[n-1], python(value)
	}
	return violation
}

// Violation is what a document has that its schema does not allow, in the words of Python's jsonschema. It is answered with 400.
type Violation struct {
	Message string // "7 is not of type 'string'"
	Keyword string // of the schema: "type"
	Field   string // the innermost member or index; empty: the document itself
	value   string
}

func (v *Violation) Error() string { return v.refusal().Error() }

// As makes it the *Error that Nova answers with.
func (v *Violation) As(target any) bool {
	e, ok := target.(**Error)
	if ok {
		*e = v.refusal()
	}
	return ok
}

func (v *Violation) refusal() *Error {
	if v.Field == "" {
		return BadRequest("%s", v.Message)
	}
	return BadRequest("Invalid input for field/attribute %s. Value: %s. %s", v.Field, v.value, v.Message)
}

// patterns returns the patternProperties of the part of the schema that a URL names.
func (s *Schema) patterns(of string) []string {
	_, pointer, _ := strings.Cut(of, "#")
	var doc any
	if json.Unmarshal([]byte(s.text), &doc) != nil {
		return nil
	}
	var path []string
	for part := range strings.SplitSeq(strings.Trim(pointer, "/"), "/") {
		if part != "" {
			path = append(path, strings.NewReplacer("~1", "/", "~0", "~").Replace(unescaped(part)))
		}
	}
	part, _ := at(doc, path).(map[string]any)
	patterns, _ := part["patternProperties"].(map[string]any)
	return sortedKeys(patterns)
}

func unescaped(part string) string {
	if text, err := url.PathUnescape(part); err == nil {
		return text
	}
	return part
}

// noPattern is what Python says of names where the schema has patterns of them.
func noPattern(names, patterns []string) string {
	quoted := func(texts []string) string {
		list := make([]string, len(texts))
		for i, text := range texts {
			list[i] = "'" + text + "'"
		}
		sort.Strings(list)
		return strings.Join(list, ", ")
	}
	verb := "does"
	if len(names) > 1 {
		verb = "do"
	}
	return quoted(names) + " " + verb + " not match any of the regexes: " + quoted(patterns)
}

// firstLeaf finds the violation to speak of: below combinators (anyOf, oneOf) the combinator itself, as Python does.
func firstLeaf(v *jsonschema.ValidationError) *jsonschema.ValidationError {
	for len(v.Causes) > 0 {
		switch v.ErrorKind.(type) {
		case *kind.AnyOf, *kind.OneOf, *kind.Not:
			return v
		}
		v = v.Causes[0]
	}
	return v
}

func at(doc any, path []string) any {
	for _, p := range path {
		switch d := doc.(type) {
		case map[string]any:
			doc = d[p]
		case []any:
			var i int
			if _, err := fmt.Sscan(p, &i); err != nil || i < 0 || i >= len(d) {
				return nil
			}
			doc = d[i]
		default:
			return nil
		}
	}
	return doc
}

func explain(v *jsonschema.ValidationError, value any) string {
	val := python(value)
	switch k := v.ErrorKind.(type) {
	case *kind.Type:
		want := make([]string, len(k.Want))
		for i, w := range k.Want {
			want[i] = "'" + w + "'"
		}
		return fmt.Sprintf("%s is not of type %s", val, strings.Join(want, ", "))
	case *kind.Required:
		return fmt.Sprintf("'%s' is a required property", k.Missing[0])
	case *kind.AdditionalProperties:
		verb := "was"
		names := make([]string, len(k.Properties))
		for i, p := range k.Properties {
			names[i] = "'" + p + "'"
		}
		sort.Strings(names) // the library gives them in any order
		if len(names) > 1 {
			verb = "were"
		}
		return fmt.Sprintf("Additional properties are not allowed (%s %s unexpected)", strings.Join(names, ", "), verb)
	case *kind.MinLength:
		if k.Want == 1 {
			return val + " should be non-empty"
		}
		return val + " is too short"
	case *kind.MaxLength:
		return val + " is too long"
	case *kind.MinItems:
		if k.Want == 1 {
			return val + " should be non-empty"
		}
		return val + " is too short"
	case *kind.MaxItems:
		return val + " is too long"
	case *kind.UniqueItems:
		return val + " has non-unique elements"
	case *kind.MinProperties:
		return val + " does not have enough properties"
	case *kind.MaxProperties:
		return val + " has too many properties"
	case *kind.Minimum:
		return fmt.Sprintf("%s is less than the minimum of %s", val, rat(k.Want))
	case *kind.Maximum:
		return fmt.Sprintf("%s is greater than the maximum of %s", val, rat(k.Want))
	case *kind.Pattern:
		return fmt.Sprintf("%s does not match '%s'", val, k.Want)
	case *kind.Format:
		return fmt.Sprintf("%s is not a '%s'", val, k.Want)
	case *kind.Enum:
		return fmt.Sprintf("%s is not one of %s", val, python(k.Want))
	case *kind.Const:
		return fmt.Sprintf("%s was expected", python(k.Want))
	case *kind.AnyOf, *kind.OneOf:
		return val + " is not valid under any of the given schemas"
	case *kind.Not:
		return val + " should not be valid under the given schema"
	case *kind.FalseSchema:
		return "False schema does not allow " + val
	}
	return v.Error()
}

func rat(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return r.FloatString(6)
}

// python writes a JSON value as Python's repr does, which is what users of OpenStack see in messages.
func python(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		if strings.Contains(v, "'") && !strings.Contains(v, `"`) {
			return `"` + v + `"`
		}
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(v) + "'"
	case json.Number:
		return v.String()
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = python(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var b bytes.Buffer
		b.WriteByte('{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b.WriteString(", ")
			}
			value := v[k]
			if namesSecret(k) {
				value = "***" // messages reach the log
			}
			b.WriteString(python(k) + ": " + python(value))
		}
		b.WriteByte('}')
		return b.String()
	}
	return fmt.Sprint(v)
}
