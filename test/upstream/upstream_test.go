package upstream

import "testing"

func TestOpenAPIJudges(t *testing.T) {
	o := LoadOpenAPI(t, "compute")
	if err := o.Check("GET", "/v2.1/flavors/1", 200, []byte(`{"flavor": {"name": "x", "id": "1", "vcpus": "two"}}`)); err == nil {
		t.Error("a flavor of two CPUs in letters passed")
	}
	if err := o.Check("GET", "/v2.1/flavors/1", 200, []byte(`{"flavor": {"name": "x", "id": "1", "vcpus": 2}}`)); err != nil {
		t.Error(err)
	}
	if err := o.Check("GET", "/v2.1/no-such-thing/1/2/3", 200, []byte(`nonsense`)); err != nil {
		t.Error(err)
	}
	if o.Checked != 2 {
		t.Errorf("%d answers were judged, want 2: the schema of a flavor is gone?", o.Checked)
	}
}
