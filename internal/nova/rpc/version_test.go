package rpc

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCheckVersion(t *testing.T) {
	for agent, want := range map[int]string{0: "", Oldest: "", Version: "", Version + 1: "upgrade the control side first", -1: "upgrade this host"} {
		err := CheckVersion(agent)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("version %d: %v", agent, err)
		}
	}
}

// What a newer side adds is ignored by an older one, and what an older one does not say is zero.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	var a HostUpArgs
	if err := json.Unmarshal([]byte(`{"host": "h", "info": {"hostname": "h", "from_the_future": {"x": 1}}, "rpc": 2, "new": [1]}`), &a); err != nil || a.Host != "h" || a.RPC != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	var old HostUpArgs
	if err := json.Unmarshal([]byte(`{"host": "h", "info": {}}`), &old); err != nil || CheckVersion(old.RPC) != nil {
		t.Errorf("%+v, %v", old, err)
	}
}
