package ops_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"gostack/internal/glance/signature"
	"gostack/internal/store/storetest"
)

// A signed image takes only the data that was signed, whichever way it comes, also when its owner may not see that it is signed.
func TestSignedImages(t *testing.T) {
	const uuid, data = "125e6199-2de4-46e3-b091-8e2401ef0d63", "what was signed"
	text, err := os.ReadFile("../signature/testdata/python.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]struct {
		Certificate string
		Signatures  map[string]string
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rules := filepath.Join(dir, "rules.conf")
	for file, text := range map[string]string{
		filepath.Join(dir, uuid+".pem"): all["rsa"].Certificate,
		rules:                           "[.*]\ncreate = @\nread = admin\nupdate = @\ndelete = @\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, more := range [][]string{nil, {"property_protection_file=" + rules}} {
		w := newWorld(t, storetest.Either(t, migrations...), nil, append([]string{"signing_certificates=" + dir}, more...)...).run()
		signed := func(certificate string) string {
			body, err := json.Marshal(map[string]string{
				"disk_format": "raw", "container_format": "bare", signature.Value: all["rsa"].Signatures["SHA-256"], signature.HashMethod: "SHA-256",
				signature.KeyType: "RSA-PSS", signature.Certificate: certificate,
			})
			if err != nil {
				t.Fatal(err)
			}
			return w.create(string(body))
		}
		id := signed(uuid)
		put := w.As("member").With("Content-Type", "application/octet-stream")
		put.Put(images+"/"+id+"/file", "something else").Want(400).Says("Signature verification failed for image " + id + ": Signature verification failed")
		w.As("member").Get(images+"/"+id).Want(200).Has("status", "queued").Has("size", nil)
		put.Put(images+"/"+id+"/file", data).Want(204)
		w.As("member").Get(images+"/"+id).Want(200).Has("status", "active").Has("size", len(data))

		id = signed(uuid)
		w.stage(id, "something else").Want(204)
		w.imports("member", id, direct).Want(202)
		w.fails(id, "Signature verification failed").Has("status", "queued")
		id = signed(uuid)
		w.stage(id, data).Want(204)
		w.imports("member", id, direct).Want(202)
		w.ends(id)
		w.As("member").Get(images+"/"+id).Want(200).Has("status", "active")
		id = signed(uuid)
		w.As("service").Post(images+"/"+id+"/locations", `{"url": "`+w.web.URL+`/data"}`).Want(202)
		w.fails(id, "Signature verification failed").Has("status", "queued")

		id = signed("00000000-2de4-46e3-b091-8e2401ef0d63")
		put.Put(images+"/"+id+"/file", data).Want(400).Says("Unable to retrieve certificate with ID: 00000000-2de4-46e3-b091-8e2401ef0d63.")
		w.clean()
	}
}
