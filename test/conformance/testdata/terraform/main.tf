# One of each thing that most users declare. Used by TestTerraform.
terraform {
  required_providers {
    openstack = { source = "terraform-provider-openstack/openstack" }
  }
}
provider "openstack" { cloud = "gostack" }

data "openstack_compute_availability_zones_v2" "zones" {}
data "openstack_identity_auth_scope_v3" "scope" { name = "me" }

resource "openstack_images_image_v2" "image" {
  name             = "tf"
  local_file_path  = "${path.module}/image.raw"
  container_format = "bare"
  disk_format      = "raw"
  visibility       = "private"
  tags             = ["tf", "small"]
  min_ram_mb       = 64
  properties       = { os_distro = "cirros", hw_disk_bus = "virtio" }
}
resource "openstack_compute_flavor_v2" "flavor" {
  name        = "tf.small"
  ram         = 128
  vcpus       = 1
  disk        = 1
  is_public   = true
  extra_specs = { "hw:cpu_policy" = "shared" }
}
resource "openstack_compute_keypair_v2" "key" { name = "tf" }
resource "openstack_networking_network_v2" "public" {
  name           = "tf-public"
  external       = true
  admin_state_up = true
}
resource "openstack_networking_subnet_v2" "public" {
  network_id  = openstack_networking_network_v2.public.id
  cidr        = "172.31.0.0/24"
  enable_dhcp = false
}
resource "openstack_networking_network_v2" "net" {
  name                  = "tf-net"
  admin_state_up        = true
  mtu                   = 1400
  port_security_enabled = true
  tags                  = ["a", "b"]
}
resource "openstack_networking_subnet_v2" "subnet" {
  name            = "tf-subnet"
  network_id      = openstack_networking_network_v2.net.id
  cidr            = "10.7.0.0/24"
  dns_nameservers = ["10.7.0.2", "10.7.0.3"]
  allocation_pool {
    start = "10.7.0.10"
    end   = "10.7.0.99"
  }
}
resource "openstack_networking_subnet_v2" "v6" {
  network_id        = openstack_networking_network_v2.net.id
  ip_version        = 6
  cidr              = "fd00:7::/64"
  ipv6_address_mode = "slaac"
  ipv6_ra_mode      = "slaac"
}
resource "openstack_networking_router_v2" "router" {
  name                = "tf-router"
  admin_state_up      = true
  external_network_id = openstack_networking_network_v2.public.id
  depends_on          = [openstack_networking_subnet_v2.public]
}
resource "openstack_networking_router_interface_v2" "if" {
  router_id = openstack_networking_router_v2.router.id
  subnet_id = openstack_networking_subnet_v2.subnet.id
}
resource "openstack_networking_secgroup_v2" "web" {
  name        = "tf-web"
  description = "web"
  tags        = ["x"]
}
resource "openstack_networking_secgroup_rule_v2" "http" {
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = "tcp"
  port_range_min    = 80
  port_range_max    = 443
  remote_ip_prefix  = "0.0.0.0/0"
  security_group_id = openstack_networking_secgroup_v2.web.id
}
resource "openstack_networking_port_v2" "port" {
  name               = "tf-port"
  network_id         = openstack_networking_network_v2.net.id
  security_group_ids = [openstack_networking_secgroup_v2.web.id]
  fixed_ip {
    subnet_id  = openstack_networking_subnet_v2.subnet.id
    ip_address = "10.7.0.20"
  }
  allowed_address_pairs { ip_address = "10.7.0.200" }
  extra_dhcp_option {
    name  = "bootfile-name"
    value = "x.0"
  }
}
resource "openstack_compute_servergroup_v2" "group" {
  name     = "tf"
  policies = ["soft-anti-affinity"]
}
resource "openstack_compute_instance_v2" "port" {
  name      = "tf-by-port"
  image_id  = openstack_images_image_v2.image.id
  flavor_id = openstack_compute_flavor_v2.flavor.id
  key_pair  = openstack_compute_keypair_v2.key.name
  metadata  = { role = "web" }
  tags      = ["one"]
  user_data = "#!/bin/sh\necho hello"
  network { port = openstack_networking_port_v2.port.id }
  scheduler_hints { group = openstack_compute_servergroup_v2.group.id }
}
resource "openstack_compute_instance_v2" "net" {
  count             = 2
  name              = "tf-${count.index}"
  image_name        = openstack_images_image_v2.image.name
  flavor_name       = openstack_compute_flavor_v2.flavor.name
  security_groups   = [openstack_networking_secgroup_v2.web.name]
  availability_zone = "nova"
  config_drive      = true
  network { name = openstack_networking_network_v2.net.name }
  depends_on = [openstack_networking_subnet_v2.subnet, openstack_networking_subnet_v2.v6]
}
resource "openstack_networking_floatingip_v2" "fip" {
  pool       = openstack_networking_network_v2.public.name
  depends_on = [openstack_networking_subnet_v2.public]
}
resource "openstack_networking_floatingip_associate_v2" "fip" {
  floating_ip = openstack_networking_floatingip_v2.fip.address
  port_id     = openstack_networking_port_v2.port.id
  depends_on  = [openstack_networking_router_interface_v2.if]
}
resource "openstack_compute_interface_attach_v2" "more" {
  instance_id = openstack_compute_instance_v2.port.id
  network_id  = openstack_networking_network_v2.net.id
  depends_on  = [openstack_networking_subnet_v2.subnet]
}
resource "openstack_identity_project_v3" "project" { name = "tf" }
resource "openstack_identity_user_v3" "user" {
  name               = "tf"
  password           = "secret-of-tf"
  default_project_id = openstack_identity_project_v3.project.id
}
resource "openstack_identity_role_v3" "role" { name = "tf" }
resource "openstack_identity_role_assignment_v3" "as" {
  user_id    = openstack_identity_user_v3.user.id
  project_id = openstack_identity_project_v3.project.id
  role_id    = openstack_identity_role_v3.role.id
}
resource "openstack_identity_application_credential_v3" "app" {
  name = "tf"
  access_rules {
    path    = "/v2.1/servers"
    method  = "GET"
    service = "compute"
  }
}
resource "openstack_networking_quota_v2" "quota" {
  project_id = openstack_identity_project_v3.project.id
  network    = 7
}
resource "openstack_compute_quotaset_v2" "quota" {
  project_id = openstack_identity_project_v3.project.id
  cores      = 7
}
resource "openstack_networking_trunk_v2" "trunk" {
  name           = "tf"
  admin_state_up = true
  port_id        = openstack_networking_port_v2.parent.id
  sub_port {
    port_id           = openstack_networking_port_v2.sub.id
    segmentation_id   = 7
    segmentation_type = "vlan"
  }
}
resource "openstack_networking_port_v2" "parent" {
  network_id = openstack_networking_network_v2.net.id
  depends_on = [openstack_networking_subnet_v2.subnet]
}
resource "openstack_networking_port_v2" "sub" {
  network_id = openstack_networking_network_v2.net.id
  depends_on = [openstack_networking_subnet_v2.subnet]
}
resource "openstack_networking_qos_policy_v2" "qos" { name = "tf" }
resource "openstack_networking_qos_bandwidth_limit_rule_v2" "limit" {
  qos_policy_id = openstack_networking_qos_policy_v2.qos.id
  max_kbps      = 3000
  direction     = "egress"
}
resource "openstack_networking_addressscope_v2" "scope" {
  name       = "tf"
  ip_version = 4
}
resource "openstack_networking_subnetpool_v2" "pool" {
  name             = "tf"
  prefixes         = ["10.9.0.0/16"]
  min_prefixlen    = 24
  address_scope_id = openstack_networking_addressscope_v2.scope.id
}
resource "openstack_networking_rbac_policy_v2" "rbac" {
  action        = "access_as_shared"
  object_id     = openstack_networking_network_v2.net.id
  object_type   = "network"
  target_tenant = openstack_identity_project_v3.project.id
}
resource "openstack_compute_aggregate_v2" "agg" {
  name     = "tf"
  metadata = { ssd = "true" }
}
output "zones" { value = data.openstack_compute_availability_zones_v2.zones.names }
