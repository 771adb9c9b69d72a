package app

import (
	"strings"
	"testing"

	"gostack/internal/config"
)

func TestCPUSets(t *testing.T) {
	shared, dedicated, err := cpuSets(config.Nova{CPUShared: "0-1", CPUDedicated: "2-7,^4"})
	if err != nil || shared.String() != "0-1" || dedicated.String() != "2-3,5-7" {
		t.Error(shared, dedicated, err)
	}
	for _, c := range []struct {
		cfg  config.Nova
		says string
	}{{config.Nova{CPUShared: "x"}, "nova.cpu_shared_set"}, {config.Nova{CPUDedicated: "3-1"}, "nova.cpu_dedicated_set"}, {config.Nova{CPUShared: "0-3", CPUDedicated: "3-5"}, "both name processor 3"}} {
		if _, _, err := cpuSets(c.cfg); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
}
