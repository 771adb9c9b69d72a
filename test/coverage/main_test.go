package main

import (
	"os"
	"testing"

	"gostack/test/upstream"
)

// The page that users read is what the route tables say.
func TestCompatibilityPageIsTrue(t *testing.T) {
	upstream.Need(t)
	if err := os.Chdir("../.."); err != nil {
		t.Fatal(err)
	}
	if err := run(false, false, true); err != nil {
		t.Error(err)
	}
}
