package upstream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// OpenAPI checks answers against upstream's OpenAPI document of a service.
type OpenAPI struct {
	paths    map[string]any
	compiler *jsonschema.Compiler
	mu       sync.Mutex
	schemas  map[string]*jsonschema.Schema
	// Checked counts the answers that a schema has judged.
	Checked int
}

// LoadOpenAPI reads the document of a service ("compute"), or leaves the test out where there is none.
func LoadOpenAPI(t testing.TB, service string) *OpenAPI {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Need(t), "openapi", service+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	doc = plain(doc)
	o := &OpenAPI{compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	o.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := o.compiler.AddResource("file:///openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	o.paths, _ = doc.(map[string]any)["paths"].(map[string]any)
	return o
}

// mend removes from a schema what draft 2020-12 or Go's regular expressions do not take.
func mend(v map[string]any) {
	if _, isObject := v["examples"].(map[string]any); isObject && v["type"] != nil {
		delete(v, "examples")
	}
	if p, ok := v["pattern"].(string); ok {
		if _, err := regexp.Compile(p); err != nil {
			delete(v, "pattern")
		}
	}
	if exclusive, ok := v["exclusiveMinimum"].(bool); ok { // of draft 4
		delete(v, "exclusiveMinimum")
		if exclusive {
			v["exclusiveMinimum"] = v["minimum"]
			delete(v, "minimum")
		}
	}
}

// plain makes of YAML's values those of JSON.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		mend(v)
		for k, e := range v {
			v[k] = plain(e)
		}
	case map[any]any:
		m := map[string]any{}
		for k, e := range v {
			m[fmt.Sprint(k)] = plain(e)
		}
		return m
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
	case int:
		return json.Number(fmt.Sprint(v))
	}
	return v
}

// Check judges the body of an answer. path is as upstream has it ("/v2.1/servers/…"). It returns nil where the document says nothing.
func (o *OpenAPI) Check(method, path string, status int, body []byte) error {
	path, _, _ = strings.Cut(path, "?")
	name := o.match(strings.Split(strings.Trim(path, "/"), "/"))
	if name == "" {
		return nil
	}
	schema, err := o.schema(name, strings.ToLower(method), status)
	if schema == nil || err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	o.Checked++
	if err := schema.Validate(doc); err != nil {
		return fmt.Errorf("%s %s %d: %w\n%s", method, path, status, err, body)
	}
	return nil
}

// match finds the document's path with the most literal segments.
func (o *OpenAPI) match(segs []string) (best string) {
	most := -1
	for p := range o.paths {
		pattern := strings.Split(strings.Trim(p, "/"), "/")
		if len(pattern) != len(segs) {
			continue
		}
		literal := 0
		for i, s := range pattern {
			if strings.HasPrefix(s, "{") {
				continue
			}
			if s != segs[i] {
				literal = -1
				break
			}
			literal++
		}
		if literal > most {
			best, most = p, literal
		}
	}
	return best
}

func (o *OpenAPI) schema(path, method string, status int) (*jsonschema.Schema, error) {
	item, _ := o.paths[path].(map[string]any)
	op, _ := item[method].(map[string]any)
	responses, _ := op["responses"].(map[string]any)
	code := fmt.Sprint(status)
	response, _ := responses[code].(map[string]any)
	content, _ := response["content"].(map[string]any)
	media, _ := content["application/json"].(map[string]any)
	if media["schema"] == nil {
		return nil, nil
	}
	at := "file:///openapi.json#/paths/" + pointer(path) + "/" + method + "/responses/" + code + "/content/application~1json/schema"
	o.mu.Lock()
	defer o.mu.Unlock()
	if s, ok := o.schemas[at]; ok {
		return s, nil
	}
	s, err := o.compiler.Compile(at)
	o.schemas[at] = s
	return s, err
}

func pointer(s string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(s))
}
