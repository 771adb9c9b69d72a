package api_test

import (
	"testing"

	"gostack/internal/rest/resttest"
)

// oldCalls asks a cloud with one active server for what old microversions have, and for the services that the cloud has not.
func oldCalls(t *testing.T, c *live, server string) {
	member, admin, service := c.As("member").On(t), c.As("admin").On(t), c.As("service").On(t)
	at := func(as *resttest.API, version string) *resttest.API { return as.At("compute " + version) }
	const volume = "bbbbbbbb-0000-4000-8000-000000000001"
	path := base + "/servers/" + server

	for _, kind := range []string{"volume", "snapshot"} {
		list := base + "/os-" + kind + "s"
		member.Get(list).Want(200).Has(kind+"s", "[]")
		member.Get(list+"/detail").Want(200).Has(kind+"s", "[]")
		member.Get(list + "/" + volume).Want(404).Says(volume + " could not be found.")
		member.Delete(list + "/" + volume).Want(404)
		at(member, "2.36").Get(list).Want(404).Says("The resource could not be found.")
	}
	member.Post(base+"/os-volumes", `{"volume": {"size": 1}}`).Want(503).Says("no block storage service")
	member.Post(base+"/os-volumes", `{"volume": {"size": 0}}`).Want(400)
	attachments := path + "/os-volume_attachments"
	member.Get(attachments).Want(200).Has("volumeAttachments", "[]")
	at(member, "2.75").Get(attachments + "?nonsense=1").Want(400)
	member.Post(attachments, `{"volumeAttachment": {"volumeId": "`+volume+`"}}`).Want(404).Says("Volume " + volume + " could not be found.")
	member.Post(attachments, `{"volumeAttachment": {"volumeId": "`+volume+`", "tag": "t"}}`).Want(400)
	at(member, "2.49").Post(attachments, `{"volumeAttachment": {"volumeId": "`+volume+`", "tag": "t"}}`).Want(404)
	at(member, "2.49").Post(attachments, `{"volumeAttachment": {"volumeId": "`+volume+`", "device": "sda"}}`).Want(400)
	service.Put(attachments+"/"+volume, `{"volumeAttachment": {"volumeId": "`+volume+`"}}`).Want(404)
	at(member, "2.85").Put(attachments+"/"+volume, `{"volumeAttachment": {"volumeId": "`+volume+`", "delete_on_termination": true}}`).Want(404)
	member.Get(attachments + "/" + volume).Want(404)
	member.Delete(attachments + "/" + volume).Want(404).Says("Volume " + volume + " could not be found.")

	assisted := base + "/os-assisted-volume-snapshots"
	service.Post(assisted, `{"snapshot": {"volume_id": "`+volume+`", "create_info": {"snapshot_id": "s", "type": "qcow2", "new_file": "f"}}}`).Want(404).
		Says("No volume Block Device Mapping with id " + volume)
	service.Post(assisted, `{"snapshot": {"volume_id": "`+volume+`", "create_info": {"snapshot_id": "s", "type": "raw", "new_file": "f"}}}`).Want(400)
	service.Delete(assisted + `/s?delete_info={"volume_id":"` + volume + `"}`).Want(404)
	service.Delete(assisted + "/s").Want(400)
	member.Post(assisted, `{"snapshot": {"volume_id": "`+volume+`", "create_info": {"snapshot_id": "s", "type": "qcow2", "new_file": "f"}}}`).Want(403)

	shares := at(member, "2.97")
	shares.Get(path+"/shares").Want(200).Has("shares", "[]")
	shares.Get(path + "/shares/" + volume).Want(404).Says("Share " + volume + " could not be found.")
	shares.Post(path+"/shares", `{"share": {"share_id": "`+volume+`"}}`).Want(409).Says("Cannot 'create share' instance " + server + " while it is in vm_state active")
	shares.Delete(path + "/shares/" + volume).Want(409)
	at(member, "2.96").Get(path + "/shares").Want(404)

	admin.Get(base + "/os-baremetal-nodes").Want(501)
	at(admin, "2.36").Get(base + "/os-baremetal-nodes").Want(404)
	admin.Post(base+"/os-baremetal-nodes", `{}`).Want(400).Says("Please use Ironic command node-create to perform this action.")
	admin.Post(base+"/os-baremetal-nodes/1/action", `{"add_interface": {}}`).Want(400).Says("port-create")

	if n := admin.Get(base+"/os-hosts").Want(200).Has("hosts.0.service", "compute").Has("hosts.0.host_name", "host-1").Has("hosts.0.zone", "nova").Len("hosts"); n < 1 {
		t.Errorf("%d hosts", n)
	}
	admin.Get(base+"/os-hosts?zone=moon").Want(200).Has("hosts", "[]")
	admin.Get(base+"/os-hosts/host-1").Want(200).Has("host.0.resource.project", "(total)").Has("host.1.resource.memory_mb", 1024).Has("host.2.resource.cpu", 1).
		Has("host.3.resource.project", "project-1").Has("host.3.resource.memory_mb", 512)
	admin.Get(base + "/os-hosts/moon").Want(404).Says("Compute host moon could not be found.")
	admin.Put(base+"/os-hosts/host-1", `{"status": "enable"}`).Want(501).Says("The requested functionality is not supported.")
	admin.Put(base+"/os-hosts/host-1", `{}`).Want(400)
	admin.Get(base + "/os-hosts/host-1/reboot").Want(501)
	member.Get(base + "/os-hosts").Want(403)
	at(admin, "2.43").Get(base + "/os-hosts").Want(404)

	admin.Get(base+"/os-instance_usage_audit_log").Want(200).Has("instance_usage_audit_logs.num_hosts", 1).Has("instance_usage_audit_logs.overall_status", "0 of 1 hosts done. 0 errors.")
	admin.Get(base+"/os-instance_usage_audit_log/2012-07-05%2010:00:00").Want(200).Has("instance_usage_audit_log.period_beginning", "2012-06-01 00:00:00").
		Has("instance_usage_audit_log.period_ending", "2012-07-01 00:00:00").Has("instance_usage_audit_log.hosts_not_run", "[host-1]")
	admin.Get(base+"/os-instance_usage_audit_log/2012-07-01%2000:00:00.000").Want(200).Has("instance_usage_audit_log.period_ending", "2012-06-01 00:00:00")
	admin.Get(base + "/os-instance_usage_audit_log/yesterday").Want(400).Says("Invalid timestamp for date yesterday")

	boot := base + "/os-volumes_boot"
	member.Get(boot).Want(200).Has("servers.0.id", server)
	member.Get(boot+"/detail").Want(200).Has("servers.0.status", "ACTIVE")
	member.Get(boot+"/"+server).Want(200).Has("server.name", "web")
	member.Post(boot+"/"+server+"/action", `{"pause": null}`).Want(400).Says("There is no such action: pause")
	member.Post(boot+"/"+server+"/action", `{"os-start": null}`).Want(409)
	at(member, "2.103").Get(boot).Want(404)

	// An action of another microversion is not found, an unknown one is a bad request.
	at(member, "2.16").Post(path+"/action", `{"trigger_crash_dump": null}`).Want(404).Says("The resource could not be found.")
	at(member, "2.44").Post(path+"/action", `{"addFixedIp": {"networkId": 1}}`).Want(404)
}
