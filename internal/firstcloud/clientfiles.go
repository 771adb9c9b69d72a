package firstcloud

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"gopkg.in/yaml.v3"

	"gostack/internal/secret"
)

// Login is what a client needs to be one user.
type Login struct {
	Cloud, User, Project string
	Password             secret.String
}

// WriteClouds puts the logins into clouds.yaml at path, mode 0600. Clouds of other names, comments and order stay as they are; a cloud of
// ours is replaced, and one of the same name that points elsewhere is left alone with an error that says so.
func WriteClouds(path, publicURL, region, cacert string, logins ...Login) error {
	doc := &yaml.Node{}
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := yaml.Unmarshal(b, doc); err != nil {
			return fmt.Errorf("%s is no YAML, so nothing was written to it: %w", path, err)
		}
	}
	if doc.Kind == 0 {
		doc = &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	clouds := member(doc.Content[0], "clouds")
	authURL := publicURL + "/identity/v3"
	for _, l := range logins {
		c := object{
			"auth": object{
				"auth_url": authURL, "username": l.User, "password": l.Password.Reveal(), "project_name": l.Project,
				"user_domain_name": "Default", "project_domain_name": "Default",
			},
			"region_name": region, "identity_api_version": 3, "interface": "public",
		}
		if cacert != "" {
			c["cacert"] = cacert
		}
		node := member(clouds, l.Cloud)
		if old := lookup(lookup(node, "auth"), "auth_url"); old != nil && old.Value != authURL {
			return fmt.Errorf("%s has a cloud %q at %s: rename it, then run gostack up again", path, l.Cloud, old.Value)
		}
		var fresh yaml.Node
		if err := fresh.Encode(c); err != nil {
			return err
		}
		fresh.HeadComment = node.HeadComment
		*node = fresh
	}
	out, err := yaml.Marshal(doc)
	if err != nil {
		return err
	}
	return writePrivate(path, out)
}

// RemoveClouds takes the named clouds out again when they point to publicURL. A file that then holds nothing is removed.
func RemoveClouds(path, publicURL string, names ...string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var doc yaml.Node
	if err == nil {
		err = yaml.Unmarshal(b, &doc)
	}
	if err != nil || doc.Kind == 0 {
		return err
	}
	clouds := lookup(doc.Content[0], "clouds")
	if clouds == nil {
		return nil
	}
	for _, name := range names {
		url := lookup(lookup(lookup(clouds, name), "auth"), "auth_url")
		if url == nil || url.Value != publicURL+"/identity/v3" {
			continue
		}
		for i := 0; i+1 < len(clouds.Content); i += 2 {
			if clouds.Content[i].Value == name {
				clouds.Content = append(clouds.Content[:i], clouds.Content[i+2:]...)
				break
			}
		}
	}
	if len(clouds.Content) == 0 && len(doc.Content[0].Content) == 2 {
		return os.Remove(path)
	}
	out, err := yaml.Marshal(&doc)
	if err != nil {
		return err
	}
	return writePrivate(path, out)
}

func lookup(m *yaml.Node, key string) *yaml.Node {
	if m == nil {
		return nil
	}
	for i := 0; i+1 < len(m.Content) && m.Kind == yaml.MappingNode; i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// member returns the value of a key, adding an empty mapping when there is none.
func member(m *yaml.Node, key string) *yaml.Node {
	if v := lookup(m, key); v != nil {
		if v.Kind != yaml.MappingNode {
			*v = yaml.Node{Kind: yaml.MappingNode}
		}
		return v
	}
	if m.Kind != yaml.MappingNode {
		*m = yaml.Node{Kind: yaml.MappingNode}
	}
	v := &yaml.Node{Kind: yaml.MappingNode}
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, v)
	return v
}

// WriteOpenRC writes a shell file that sets the OS_ variables of a login, mode 0600. Values are quoted for the shell whatever they
// hold (OSSN-0097).
func WriteOpenRC(path, publicURL, region, cacert string, l Login) error {
	var b strings.Builder
	b.WriteString("# Written by gostack up. Use: . " + path + "\n")
	for _, kv := range [][2]string{
		{"OS_AUTH_URL", publicURL + "/identity/v3"},
		{"OS_IDENTITY_API_VERSION", "3"},
		{"OS_USERNAME", l.User},
		{"OS_PASSWORD", l.Password.Reveal()},
		{"OS_PROJECT_NAME", l.Project},
		{"OS_USER_DOMAIN_NAME", "Default"},
		{"OS_PROJECT_DOMAIN_NAME", "Default"},
		{"OS_REGION_NAME", region},
		{"OS_CACERT", cacert},
	} {
		if kv[1] != "" {
			b.WriteString("export " + kv[0] + "='" + strings.ReplaceAll(kv[1], "'", `'\''`) + "'\n")
		}
	}
	b.WriteString("unset OS_CLOUD OS_SYSTEM_SCOPE OS_DOMAIN_NAME OS_TOKEN\n")
	return writePrivate(path, []byte(b.String()))
}

// KeyPair returns the public key of the private key at path, making both when there is none.
func KeyPair(path string) (public string, err error) {
	b, err := os.ReadFile(path)
	if err == nil {
		key, err := ssh.ParsePrivateKey(b)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		return authorized(key.PublicKey()), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	block, err := ssh.MarshalPrivateKey(priv, "gostack demo")
	if err != nil {
		return "", err
	}
	if err := writePrivate(path, pem.EncodeToMemory(block)); err != nil {
		return "", err
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		return "", err
	}
	return authorized(key), nil
}

func authorized(k ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) + " gostack-demo"
}

// Password returns the secret kept in a file, making one of 24 random characters when there is none.
func Password(path string) (secret.String, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return secret.New(strings.TrimSpace(string(b))), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return secret.String{}, err
	}
	p := rand.Text()[:24]
	return secret.New(p), writePrivate(path, []byte(p+"\n"))
}

// writePrivate replaces a file at once, mode 0600, in a directory that is made when missing.
func writePrivate(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}
