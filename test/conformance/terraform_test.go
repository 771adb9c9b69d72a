package conformance_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gostack/internal/firstcloud"
	"gostack/internal/secret"
	"gostack/test/machine"
)

// TestTerraform lets terraform and its OpenStack provider make what testdata/terraform/main.tf declares, see that nothing is left to change, and
// take it away again, by the clouds.yaml that gostack up writes. The provider is looked for in PATH, or in the directory TERRAFORM_PROVIDER.
func TestTerraform(t *testing.T) {
	if suites == "" {
		t.Skip("make conformance runs terraform, which waits for a minute")
	}
	for _, program := range []string{"terraform", "terraform-provider-openstack"} {
		if _, err := exec.LookPath(program); err != nil {
			if _, err := os.Stat(filepath.Join(os.Getenv("TERRAFORM_PROVIDER"), program)); err != nil {
				machine.Missing(t, "NOT TESTED with terraform: there is no "+program+" in PATH; docs/conformance.md says where it comes from")
			}
		}
	}
	provider := os.Getenv("TERRAFORM_PROVIDER")
	if found, err := exec.LookPath("terraform-provider-openstack"); err == nil {
		provider = filepath.Dir(found)
	}
	c, dir := simulated(t), t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/terraform")); err != nil {
		t.Fatal(err)
	}
	clouds, settings := filepath.Join(dir, "clouds.yaml"), filepath.Join(dir, "terraformrc")
	login := firstcloud.Login{Cloud: "gostack", User: "admin", Project: "admin", Password: secret.New(c.Password)}
	if err := firstcloud.WriteClouds(clouds, c.URL, "RegionOne", "", login); err != nil {
		t.Fatal(err)
	}
	text := "provider_installation {\n  dev_overrides { \"terraform-provider-openstack/openstack\" = \"" + provider + "\" }\n  direct {}\n}\n"
	for file, content := range map[string][]byte{settings: []byte(text), filepath.Join(dir, "image.raw"): make([]byte, 1<<16)} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"apply", "-auto-approve"}, {"plan", "-detailed-exitcode"}, {"destroy", "-auto-approve"}} {
		cmd := exec.CommandContext(t.Context(), "terraform", append(args, "-no-color")...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "OS_CLIENT_CONFIG_FILE="+clouds, "TF_CLI_CONFIG_FILE="+settings, "CHECKPOINT_DISABLE=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("terraform %v: %v\n%s", args, err, out)
		}
	}
}
