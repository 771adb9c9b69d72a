package signature_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gostack/internal/glance/signature"
)

// signed is what Python's cryptography made with the parameters of cursive, which upstream verifies with.
type signed struct {
	KeyType     string `json:"key_type"`
	Certificate string
	Signatures  map[string]string // by hash method
}

const (
	data = "what was signed"
	id   = "125e6199-2de4-46e3-b091-8e2401ef0d63"
)

func fixtures(t *testing.T) map[string]signed {
	t.Helper()
	text, err := os.ReadFile("testdata/python.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]signed
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// keep writes a certificate into a directory of its own.
func keep(t *testing.T, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, id+".pem"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

var now = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func verify(properties map[string]string, dir, data string) error {
	v, err := signature.New(properties, dir, now)
	if err != nil {
		return err
	}
	if _, err := v.Write([]byte(data)); err != nil {
		return err
	}
	return v.Verify()
}

func TestVerifies(t *testing.T) {
	for name, f := range fixtures(t) {
		if name == "expired" {
			continue
		}
		dir := keep(t, f.Certificate)
		for method, value := range f.Signatures {
			p := map[string]string{signature.Value: value, signature.HashMethod: method, signature.KeyType: f.KeyType, signature.Certificate: id}
			if err := verify(p, dir, data); err != nil {
				t.Errorf("%s %s: %v", name, method, err)
			}
			if err := verify(p, dir, data+"."); err == nil || err.Error() != "Signature verification failed" {
				t.Errorf("%s %s: other data: %v", name, method, err)
			}
		}
	}
}

// offCurve is a certificate whose key is a point that is not on the curve it names.
func offCurve(t *testing.T, certificate string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(certificate))
	oid := []byte{0x2b, 0x81, 0x04, 0x00, 0x24}
	at := bytes.Index(block.Bytes, oid)
	if at < 0 {
		t.Fatal("the certificate names no curve")
	}
	block.Bytes[at+len(oid)+10] ^= 1
	return string(pem.EncodeToMemory(block))
}

func TestRefusals(t *testing.T) {
	all := fixtures(t)
	rsa := all["rsa"]
	good := map[string]string{
		signature.Value: rsa.Signatures["SHA-256"], signature.HashMethod: "SHA-256", signature.KeyType: "RSA-PSS", signature.Certificate: strings.ToUpper(id),
	}
	dir := keep(t, rsa.Certificate)
	if err := verify(good, dir, data); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, value, dir, says string }{
		{signature.Value, "!", dir, "The signature data was not properly encoded using base64"},
		{signature.Value, "AAAA", dir, "Signature verification failed"},
		{signature.HashMethod, "SHA-512", dir, "Signature verification failed"},
		{signature.HashMethod, "MD5", dir, "Invalid signature hash method: MD5"},
		{signature.KeyType, "ECC_SECT283K1", dir, "Invalid signature key type: ECC_SECT283K1"},
		{signature.KeyType, "ECC_SECT571K1", dir, "Invalid public key type for signature key type: ECC_SECT571K1"},
		{signature.KeyType, "ECC_SECT409K1", keep(t, all["sect409r1"].Certificate), "Invalid public key type"},
		{signature.KeyType, "ECC_SECT409K1", keep(t, all["sect409k1"].Certificate), "Signature verification failed"},
		{signature.KeyType, "ECC_SECT409K1", keep(t, offCurve(t, all["sect409k1"].Certificate)), "Unable to load certificate"},
		{signature.KeyType, "DSA", dir, "Invalid public key type for signature key type: DSA"},
		{signature.KeyType, "ECC_SECP384R1", keep(t, all["p521"].Certificate), "Invalid public key type"},
		{signature.Certificate, "../" + id, dir, "Unable to retrieve certificate with ID: ../" + id},
		{signature.Certificate, "a" + id[1:], dir, "Unable to retrieve certificate"},
		{signature.Certificate, id, "", "Unable to retrieve certificate"},
		{signature.Certificate, id, keep(t, "nonsense"), "Unable to load certificate"},
		{signature.Certificate, id, keep(t, all["expired"].Certificate), "Certificate is not valid after: 2021-01-01 00:00:00 UTC"},
	} {
		p := maps.Clone(good)
		p[c.name] = c.value
		err := verify(p, c.dir, data)
		var known *signature.Error
		if !errors.As(err, &known) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s=%s: %v", c.name, c.value, err)
		}
	}
	for name := range good {
		p := maps.Clone(good)
		delete(p, name)
		if v, err := signature.New(p, dir, now); v != nil || err != nil {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
