package rest

import "testing"

func TestRedact(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                      "",
		"limit=2&sort_key=name":                 "limit=2&sort_key=name",
		"token=abc":                             "token=%2A%2A%2A",
		"name=a%3Db&path=%3Ftoken%3Dabc":        "name=a%3Db&path=%2A%2A%2A",
		"path=websockify%253Fx%3D1%26token=abc": "path=%2A%2A%2A",
		"path=websockify%253Ftoken%253Dabc":     "path=%2A%2A%2A",
		"tags=a%2Cb":                            "tags=a%2Cb",
		"%zz":                                   "(does not parse)",
	} {
		if got := redact(raw); got != want {
			t.Errorf("%s became %s, want %s", raw, got, want)
		}
	}
}
