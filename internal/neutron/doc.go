// Package neutron is OpenStack's network service: networks, subnets, ports, routers, floating IPs, security groups and
// quotas, with upstream's rules, and the realiser that makes the network engine equal to the database.
//
// It owns the tables neutron_*. Every change is one transaction that also notes what the engine has to do (neutron_pending);
// after the commit a realiser builds complete specs from the database and gives them to a driver.Backend, and repeats that
// until it succeeds. Nothing is told to the engine in any other way, so a crash between the two can lose nothing.
// The package never speaks HTTP (package api does) and knows no engine (package driver's implementations do).
package neutron
