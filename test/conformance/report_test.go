package conformance

import (
	"bytes"
	"strings"
	"testing"
)

const tempestSaid = `{0} setUpClass (tempest.api.image.v2.test_images.ListUserImagesTest) [0.000000s] ... FAILED

Captured traceback:
    Traceback (most recent call last):
      File "/usr/lib/python3/dist-packages/tempest/api/image/v2/test_images.py", line 12, in resource_setup
      File "/usr/lib/python3/dist-packages/tempest/lib/common/rest_client.py", line 5, in post
    tempest.lib.exceptions.BadRequest: Bad request
    Details: {'code': 400}
{1} tempest.api.identity.v3.test_tokens.TokensV3Test.test_a[id-1,smoke] [0.1s] ... ok
{1} tempest.api.identity.v3.test_tokens.TokensV3Test.test_b [0.1s] ... SKIPPED: Security compliance not available.
{0} tempest.api.network.test_ports.PortsTest.test_c [2.25s] ... FAILED
    Details: no
{0} tempest.api.network.test_ports.PortsTest.test_d [2.25s] ... ok

==============================
Failed 2 tests - output below:
==============================
tempest.api.network.test_ports.PortsTest.test_c
Captured traceback:
    AssertionError: again
`

func TestTempestIsRead(t *testing.T) {
	results := tempestResults(tempestSaid)
	if len(results) != 5 {
		t.Fatalf("%d results: %v", len(results), results)
	}
	first := results[0]
	if first.name != "setUpClass (tempest.api.image.v2.test_images.ListUserImagesTest)" || first.outcome != failed ||
		!strings.Contains(first.detail, "resource_setup") || !strings.Contains(first.detail, "Details: {'code': 400}") || strings.Contains(first.detail, "rest_client") {
		t.Errorf("%+v", first)
	}
	table := "# why\ntempest\tall\t.*test_images.*\tit is only an example\n" +
		"tempest\treal\t.*\tfor another world than this one\n" +
		"tempest\tsimulated\ttempest.api.network.test_ports.PortsTest.test_d\tit was wrong once, but is no longer\n" +
		"tempest\tsimulated\ttempest.api.network.test_none\tthis run does not try it at all\n" +
		"gophercloud\tall\t.*\tfor another suite than this one\n"
	list, err := exclusions(table, "tempest", false)
	if err != nil || len(list) != 3 {
		t.Fatalf("%v %v", list, err)
	}
	r := judge(results, list)
	if r.Passed != 2 || r.Skipped != 1 || len(r.Excluded) != 1 || len(r.Failed) != 1 || !strings.HasSuffix(r.Stale[0], "test_d") || len(r.Stale) != 1 {
		t.Errorf("%s\n%s", r, r.Findings())
	}
	if f := r.Findings(); !strings.Contains(f, "FAILED tempest.api.network.test_ports.PortsTest.test_c\n") || !strings.Contains(f, "Details: no") {
		t.Errorf("findings:\n%s", f)
	}
}

func TestEveryExclusionHasAReason(t *testing.T) {
	for _, suite := range []string{"tempest", "gophercloud"} {
		for _, guests := range []bool{true, false} {
			if _, err := exclusions(excludeTable, suite, guests); err != nil {
				t.Error(err)
			}
		}
	}
	for _, bad := range []string{"tempest\tall\tx\tshort", "tempest\tmars\tx\ta reason that is long enough", "tempest\tall\t(\ta reason that is long enough", "no tabs"} {
		if _, err := exclusions(bad, "tempest", true); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestGoTestIsRead(t *testing.T) {
	pkg := `"Package":"github.com/gophercloud/gophercloud/v2/internal/acceptance/openstack/identity/v3"`
	results := goResults(bytes.NewBufferString(`{"Action":"output",` + pkg + `,"Test":"TestUsers","Output":"no user\n"}
{"Action":"fail",` + pkg + `,"Test":"TestUsers"}
{"Action":"pass",` + pkg + `,"Test":"TestGroups"}
not json
{"Action":"skip",` + pkg + `,"Test":"TestOAuth"}
{"Action":"output",` + pkg + `,"Output":"FAIL\n"}
{"Action":"fail",` + pkg + `}
`))
	if len(results) != 3 || results[0].name != "identity/v3 TestUsers" || results[0].outcome != failed || results[0].detail != "no user\n" || results[2].outcome != skipped {
		t.Errorf("%+v", results)
	}
}
