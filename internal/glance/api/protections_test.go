package api_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gostack/internal/glance"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
)

const byRoles = `
# billing belongs to administrators, licences are seen by all
[^x_billing_.*]
create = admin
read = admin
update = admin
delete = admin

[^x_licence$]
create: admin, manager
read = @
update = licensor
delete = !

[.*]
create = member
read = reader
update = member
delete = member
`

func protected(t *testing.T, rules, format, policies string) *cloud {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	cfg := glance.Config{Properties: glance.PropertyConfig{File: write("protections.conf", rules), Format: format}}
	if policies != "" {
		cfg.Properties.Policy = write("policy.yaml", policies)
	}
	c := start(t, storetest.Either(t, glance.Migrations), cfg)
	c.API = c.API.With("Accept", "application/json")
	return c
}

func (c *cloud) change(as, id, op, name, value string) *resttest.Answer {
	c.T.Helper()
	more := ""
	if op != "remove" {
		more = `, "value": "` + value + `"`
	}
	return c.patch(as, id, `[{"op": "`+op+`", "path": "/`+name+`"`+more+`}]`)
}

func TestProtectedProperties(t *testing.T) {
	c := protected(t, byRoles, "", "")
	c.As("member").Post(images, `{"x_billing_code": "1"}`).Want(403).Says("Attribute 'x_billing_code' is reserved.")
	c.As("member").Post(images, `{"x_licence": "1"}`).Want(403)
	c.create("manager", `{"x_licence": "1"}`)
	id := c.create("member", `{"own": "1"}`)
	path := images + "/" + id

	// What a caller may not see is not there: neither shown, nor listed, nor found by its value, nor lost when they write.
	c.change("admin", id, "add", "x_billing_code", "secret").Want(200).Has("x_billing_code", "secret")
	c.change("admin", id, "add", "x_licence", "gpl").Want(200)
	c.As("member").Get(path).Want(200).Has("x_billing_code", nil).Has("x_licence", "gpl").Has("own", "1")
	c.As("member").Get(images+"?own=1").Want(200).Has("images.0.id", id).Has("images.0.x_billing_code", nil)
	c.As("member").Get(images+"?x_billing_code=secret").Want(200).Has("images.0", nil)
	c.As("admin").Get(images+"?x_billing_code=secret").Want(200).Has("images.0.x_billing_code", "secret")
	c.change("member", id, "add", "more", "2").Want(200).Has("more", "2").Has("x_billing_code", nil)
	c.change("member", id, "replace", "name", "mine").Want(200)
	c.As("member").Put(path+"/tags/t", nil).Want(204)
	c.As("admin").Get(path).Want(200).Has("x_billing_code", "secret").Has("more", "2").Has("name", "mine")

	for _, refused := range []struct {
		as, op, name string
		status       int
		says         string
	}{
		{"member", "add", "x_billing_code", 403, "Attribute 'x_billing_code' is reserved."}, // would be created
		{"member", "replace", "x_billing_code", 409, "Property x_billing_code does not exist."},
		{"member", "remove", "x_billing_code", 409, "Property x_billing_code does not exist."},
		{"member", "replace", "x_licence", 403, "Attribute 'x_licence' is reserved."},
		{"member", "add", "x_licence", 403, "Attribute 'x_licence' is reserved."},
		{"admin", "replace", "x_licence", 403, "Attribute 'x_licence' is reserved."},
		{"manager", "replace", "x_licence", 403, "Attribute 'x_licence' is reserved."},
		{"admin", "remove", "x_licence", 403, "Attribute 'x_licence' is reserved."},
	} {
		a := c.change(refused.as, id, refused.op, refused.name, "new").Want(refused.status)
		if !strings.Contains(string(a.Body), refused.says) {
			t.Errorf("%v: %s", refused, a.Body)
		}
	}
	c.change("member", id, "remove", "own", "").Want(200).Has("own", nil)
	c.change("admin", id, "remove", "x_billing_code", "").Want(200).Has("x_billing_code", nil)

	// Other services' calls go the same way, and the cloud's own work passes.
	member := resttest.Personas["member"]
	if _, err := c.service.Update(t.Context(), member, id, func(img *glance.Image) error { delete(img.Properties, "x_licence"); return nil }); err == nil {
		t.Error("a protected property was deleted")
	}
	if _, err := c.service.Update(t.Context(), nil, id, func(img *glance.Image) error { delete(img.Properties, "x_licence"); return nil }); err != nil {
		t.Error(err)
	}
}

func TestProtectionsByPolicies(t *testing.T) {
	rules := func(create string) string {
		return "[^sold_.*]\ncreate = " + create + "\nread = @\nupdate = seller\ndelete = !\n[^free$]\ncreate = @\nread = @\nupdate = @\ndelete = @\n"
	}
	c := protected(t, rules("seller"), "policies", "\"seller\": \"role:manager and project_id:project-1\"\n")
	c.As("admin").Post(images, `{"sold_by": "me", "nobodys": "1"}`).Want(403)
	id := c.create("manager", `{"sold_by": "me", "free": "1"}`)
	c.change("member", id, "replace", "sold_by", "you").Want(403)
	c.change("manager", id, "replace", "sold_by", "you").Want(200).Has("sold_by", "you")
	c.change("manager", id, "remove", "sold_by", "").Want(403)
	c.change("manager", id, "add", "nobodys", "1").Want(403).Says("Attribute 'nobodys' is reserved.") // no rule knows it
	c.change("member", id, "remove", "free", "").Want(200)
}

// What an operator got wrong keeps the service from starting, as upstream.
func TestBadProtections(t *testing.T) {
	all := "create = admin\nread = admin\nupdate = admin\n"
	for text, says := range map[string]string{
		"[x]\n" + all:                                    "[x] does not say who may delete",
		"[x]\n" + all + "remove = admin\n":               `"remove" is not one of`,
		"[x]\n" + all + "delete = @,!\n":                 "mutually exclusive",
		"[x(]\n" + all:                                   "malformed property protection rule",
		"create = admin\n":                               "is not an operation of a property",
		"[x]\n" + all + "delete = a\n[x]\n":              "is there twice",
		"[x]\n" + all + "delete = admin\ndelete = admin": "is there twice",
	} {
		if err := badProtections(t, text, ""); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, says := range map[string]string{
		"[x]\ncreate = a,b\n":  "multiple policies are not allowed",
		"[x]\ncreate = nobody": "there is no policy nobody",
	} {
		if err := badProtections(t, text, "policies"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := badProtections(t, "", "users"); err == nil || !strings.Contains(err.Error(), "is not roles or policies") {
		t.Error(err)
	}
	var cfg glance.Config
	if err := cfg.Configure(nil, []string{"property_protection_file=/nowhere", "property_protection_rule_format=policies"}); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = t.TempDir()
	if _, err := glance.New(storetest.SQLite(t, glance.Migrations), cfg); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
}

func badProtections(t *testing.T, text, format string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "protections.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := glance.New(storetest.SQLite(t, glance.Migrations), glance.Config{Dir: t.TempDir(), Properties: glance.PropertyConfig{File: file, Format: format}})
	return err
}
