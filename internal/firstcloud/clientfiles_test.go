package firstcloud

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gostack/internal/secret"
)

const here = "http://127.0.0.1:5000"

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v (%v)", path, info.Mode(), err)
	}
	return string(b)
}

func TestCloudsKeepWhatIsNotOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "openstack", "clouds.yaml")
	demo := Login{"gostack", "demo", "demo", secret.New("s3cret: #x")}
	if err := WriteClouds(path, here, "RegionOne", "", demo); err != nil {
		t.Fatal(err)
	}
	if s := read(t, path); !strings.Contains(s, "auth_url: http://127.0.0.1:5000/identity/v3") {
		t.Error(s)
	}
	if err := RemoveClouds(path, here, "gostack"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("a file of nothing but ours was left")
	}
	users := "# my clouds\nclouds:\n  work: # the big one\n    auth: {auth_url: https://work.example/v3}\ncache: {expiration_time: 3600}\n"
	if err := os.WriteFile(path, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := WriteClouds(path, here, "RegionOne", "", demo); err != nil {
			t.Fatal(err)
		}
	}
	s := read(t, path)
	for _, want := range []string{"# my clouds", "# the big one", "https://work.example/v3", "expiration_time: 3600", "gostack:"} {
		if strings.Count(s, want) != 1 {
			t.Errorf("%q is there %d times in\n%s", want, strings.Count(s, want), s)
		}
	}
	if err := WriteClouds(path, here, "R", "", Login{Cloud: "work"}); err == nil || !strings.Contains(err.Error(), "work.example") {
		t.Errorf("a user's cloud was overwritten: %v", err)
	}
	if err := RemoveClouds(path, here, "gostack", "work"); err != nil {
		t.Fatal(err)
	}
	if s := read(t, path); strings.Contains(s, "gostack") || !strings.Contains(s, "work.example") {
		t.Errorf("after removal:\n%s", s)
	}
	if err := os.WriteFile(path, []byte("]["), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteClouds(path, here, "R", "", demo); err == nil || read(t, path) != "][" {
		t.Errorf("a file that is no YAML was touched: %v", err)
	}
}

// OSSN-0097: whatever a name or password holds, the shell reads it as text.
func TestOpenRCIsSafeForTheShell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "openrc")
	nasty := `x'; touch ` + filepath.Join(t.TempDir(), "pwned") + `; echo "$(id)` + "`id`"
	if err := WriteOpenRC(path, here, "RegionOne", "", Login{User: "demo", Project: nasty, Password: secret.New(nasty)}); err != nil {
		t.Fatal(err)
	}
	read(t, path)
	out, err := exec.Command("sh", "-c", `. "$1"; printf '%s\n%s' "$OS_PROJECT_NAME" "$OS_PASSWORD"`, "sh", path).Output()
	if err != nil || string(out) != nasty+"\n"+nasty {
		t.Errorf("the shell read %q (%v)", out, err)
	}
}

func TestKeyPairAndPasswordAreMadeOnce(t *testing.T) {
	dir := t.TempDir()
	k1, err := KeyPair(filepath.Join(dir, "key"))
	if err != nil || !strings.HasPrefix(k1, "ssh-ed25519 ") {
		t.Fatal(k1, err)
	}
	read(t, filepath.Join(dir, "key"))
	if k2, err := KeyPair(filepath.Join(dir, "key")); err != nil || k2 != k1 {
		t.Errorf("second time: %v, %v", k2 == k1, err)
	}
	p1, err := Password(filepath.Join(dir, "p"))
	if err != nil || len(p1.Reveal()) != 24 {
		t.Fatal(err)
	}
	if p2, err := Password(filepath.Join(dir, "p")); err != nil || p2 != p1 {
		t.Error("the password changed")
	}
	if err := os.WriteFile(filepath.Join(dir, "bad"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := KeyPair(filepath.Join(dir, "bad")); err == nil {
		t.Error("a file that is no key was taken or replaced")
	}
}
