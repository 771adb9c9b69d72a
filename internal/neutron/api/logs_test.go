package api_test

import (
	"testing"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
)

// TestLogStory switches logs on and off and follows which groups write them.
func TestLogStory(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, boss, other := c.as(t, "member"), c.as(t, "manager"), c.as(t, "other")
		logs := v2 + "/log/logs"
		boss.Get(v2+"/log/loggable-resources").Want(200).Has("loggable_resources.0.type", "security_group")
		m.Post(logs, `{"log": {"resource_type": "security_group"}}`).Want(403)
		net, _ := network(m, "n", "10.1.0.0/24")
		a := m.Post(v2+"/security-groups", `{"security_group": {"name": "a"}}`).Want(201).Text("security_group.id")
		b := m.Post(v2+"/security-groups", `{"security_group": {"name": "b"}}`).Want(201).Text("security_group.id")
		port := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "security_groups": ["`+b+`"]}}`).Want(201).Text("port.id")
		of := func(group string) string {
			s, _ := neutrontest.Spec[driver.SecurityGroupSpec](c.engine, "security_group", group)
			return s.Log
		}
		drops := func() driver.LoggingSpec {
			l, _ := neutrontest.Spec[driver.LoggingSpec](c.engine, "logging", driver.LoggingID)
			return l
		}
		for _, refused := range []struct {
			body   string
			status int
			kind   string
		}{
			{`"resource_type": "snat"`, 400, "InvalidLogResourceType"},
			{`"resource_type": "security_group", "event": "SOME"`, 400, "HTTPBadRequest"},
			{`"resource_type": "security_group", "resource_id": "` + port + `"`, 404, "ResourceNotFound"},
			{`"resource_type": "security_group", "target_id": "` + a + `"`, 404, "TargetResourceNotFound"},
			{`"resource_type": "security_group", "resource_id": "` + a + `", "target_id": "` + port + `"`, 400, "InvalidResourceConstraint"},
		} {
			boss.Post(logs, `{"log": {`+refused.body+`}}`).Want(refused.status).Has("NeutronError.type", refused.kind)
		}
		first := boss.Post(logs, `{"log": {"name": "l", "resource_type": "security_group", "resource_id": "`+a+`", "event": "ACCEPT"}}`).Want(201).
			Has("log.enabled", true).Has("log.event", "ACCEPT").Has("log.target_id", nil).Text("log.id")
		if of(a) != first || of(b) != "" || drops() != (driver.LoggingSpec{On: true}) {
			t.Errorf("the engine has %q %q %+v", of(a), of(b), drops())
		}
		second := boss.Post(logs, `{"log": {"resource_type": "security_group", "target_id": "`+port+`"}}`).Want(201).Has("log.event", "ALL").Text("log.id")
		if of(a) != first || of(b) != second || drops().Drops != second {
			t.Errorf("the engine has %q %q %+v", of(a), of(b), drops())
		}
		m.Put(v2+"/ports/"+port, `{"port": {"security_groups": ["`+a+`"]}}`).Want(200)
		if of(b) != "" {
			t.Errorf("after the port has left the group the engine has %q", of(b))
		}
		other.Get(logs + "/" + first).Want(404)
		boss.Put(logs+"/"+first, `{"log": {"enabled": false, "name": "off"}}`).Want(200).Has("log.name", "off")
		boss.Put(logs+"/"+first, `{"log": {"event": "DROP"}}`).Want(400)
		if of(a) != second {
			t.Errorf("the engine has %q", of(a))
		}
		boss.Get(logs+"?enabled=false").Want(200).Has("logs.0.id", first)
		m.Delete(v2 + "/ports/" + port).Want(204) // its log goes with it
		boss.Get(logs+"/"+second).Want(404).Has("NeutronError.type", "LogResourceNotFound")
		m.Delete(v2 + "/security-groups/" + a).Want(204)
		boss.Get(logs).Want(200).Has("logs", "[]")
		if of(b) != "" || drops() != (driver.LoggingSpec{}) {
			t.Errorf("the engine has %q %+v", of(b), drops())
		}
		c.clean(t)
	})
}
