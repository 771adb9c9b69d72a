// Package conformance runs suites that other people wrote against a cloud: Debian's tempest, and the acceptance tests of gophercloud.
//
// A cloud is prepared by asking it (what images, flavors and networks it has, which extensions it serves), the suite is run, and its
// failures are compared with a committed list of exclusions (exclude.tsv) that says of each why. A failure that is not on the list is
// a finding, and so is a line of the list whose tests all pass: the list never says more than is true.
//
//	make conformance                                  everything, on real engines in a machine of its own
//	go run ./test/conformance/cmd -url URL ...        against a cloud that runs already
package conformance
