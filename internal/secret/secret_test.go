package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gostack/internal/secret"
)

func TestNeverPrinted(t *testing.T) {
	s := secret.New("hunter2")
	type holder struct{ Password secret.String }
	j, err := json.Marshal(holder{s})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "password", s)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "holder", holder{s})
	for name, out := range map[string]string{
		"v":     fmt.Sprintf("%v", s),
		"s":     fmt.Sprintf("%s", s), //nolint:staticcheck // the verb is what is tested
		"plus":  fmt.Sprintf("%+v", holder{s}),
		"sharp": fmt.Sprintf("%#v", holder{s}), "json": string(j), "log": log.String(),
	} {
		if strings.Contains(out, "hunter2") {
			t.Errorf("%s printed the secret: %s", name, out)
		}
	}
	if s.Reveal() != "hunter2" {
		t.Error("the value is lost")
	}
}
