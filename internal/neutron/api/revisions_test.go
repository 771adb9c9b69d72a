package api_test

import (
	"sync"
	"testing"

	"gostack/internal/neutron/db"
	"gostack/internal/store/storetest"
)

// TestIfMatch sends changes and deletions that are meant for one revision, alone and at once.
func TestIfMatch(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m := c.as(t, "member")
		net := m.Post(v2+"/networks", `{"network": {"name": "n"}}`).Want(201).Text("network.id")
		path := v2 + "/networks/" + net
		m.Put(path, `{"network": {"name": "o"}}`).Want(200).Has("network.revision_number", 1)
		m.With("If-Match", "revision_number=0").Delete(path).Want(412).Has("NeutronError.type", "RevisionNumberConstraintFailed").
			Has("NeutronError.message", "Constrained to 0, but current revision is 1")
		m.With("If-Match", "revision_number=0").Put(path, `{"network": {"name": "p"}}`).Want(412)
		m.With("If-Match", "revision_number=0").Get(path).Want(200)

		// Of those that come at once and mean one revision, one is heard.
		answers := make([]int, 6)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				a := m.With("If-Match", "revision_number=1")
				if i%2 == 0 {
					answers[i] = a.Delete(path).Code
				} else {
					answers[i] = a.Put(path, `{"network": {"name": "q"}}`).Code
				}
			})
		}
		all.Wait()
		heard := 0
		for _, status := range answers {
			if status == 200 || status == 204 {
				heard++
			} else if status != 412 && status != 404 {
				t.Errorf("one answers %d", status)
			}
		}
		if heard != 1 {
			t.Errorf("%d of %v were heard", heard, answers)
		}
		c.clean(t)
	})
}

// TestDomainKeywords writes domains with the keywords of extension dns-integration-domain-keywords.
func TestDomainKeywords(t *testing.T) {
	c := newCloud(t, storetest.SQLite(t, db.Migrations))
	m := c.as(t, "member")
	m.Get(v2 + "/extensions/dns-integration-domain-keywords").Want(200)
	id := m.Post(v2+"/networks", `{"network": {"dns_domain": "<project_id>.<user_name>.example.org."}}`).Want(201).
		Has("network.dns_domain", "<project_id>.<user_name>.example.org.").Text("network.id")
	for _, bad := range []string{"<project>.example.org.", "<project_id>x<.example.org.", "<project_id>.example.org", "x<user_id>.example.org."} {
		m.Put(v2+"/networks/"+id, `{"network": {"dns_domain": "`+bad+`"}}`).Want(400)
	}
	m.Post(v2+"/ports", `{"port": {"network_id": "`+id+`", "dns_name": "<user_id>"}}`).Want(400)
	m.Post(v2+"/ports", `{"port": {"network_id": "`+id+`", "dns_domain": "<user_id>.org."}}`).Want(201).Has("port.dns_domain", "<user_id>.org.")
}
