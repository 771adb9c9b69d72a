package libvirt

import (
	"os"
	"path/filepath"
	"testing"

	"gostack/internal/nova/driver"
)

// TestModulesAmongTheDisks: what lies there is given to libvirt for a server that gets the same module, unless libvirt has it for the definition there is, and is
// gone from there in any case.
func TestModulesAmongTheDisks(t *testing.T) {
	const id, mine, theirs = "00000000-0000-4000-8000-000000000001", "mine", "theirs"
	for name, c := range map[string]struct {
		version, model, want string
		has, defined         bool
	}{
		"the same":              {version: "2.0", model: "tpm-crb", want: mine},
		"the same, left behind": {version: "2.0", model: "tpm-crb", has: true, want: mine},
		"given up":              {version: "2.0", model: "tpm-crb", has: true, defined: true, want: theirs},
		"defined, without":      {version: "2.0", model: "tpm-crb", defined: true, want: mine},
		"another model":         {version: "2.0", model: "tpm-tis"},
		"another version":       {version: "1.2"},
		"none":                  {},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Driver{Options: Options{Dir: t.TempDir()}, modules: t.TempDir()}
			if err := os.Mkdir(d.serverDir(id), 0o700); err != nil {
				t.Fatal(err)
			}
			among, state := filepath.Join(d.serverDir(id), "tpm.2.0.crb"), filepath.Join(d.modules, id, "tpm2", "tpm2-00.permall")
			if err := os.WriteFile(among, []byte(mine), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.has {
				if err := os.MkdirAll(filepath.Dir(state), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(state, []byte(theirs), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			spec := driver.GuestSpec{ID: id, Flavor: driver.Flavor{ExtraSpecs: map[string]string{"hw:tpm_version": c.version, "hw:tpm_model": c.model}}}
			for range 2 {
				if err := d.restoreModule(spec, c.defined); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(state)
			if string(got) != c.want || err != nil && c.want != "" {
				t.Errorf("libvirt has %q, %v", got, err)
			}
			if exists(among) {
				t.Error("it is still among the disks")
			}
		})
	}
}
