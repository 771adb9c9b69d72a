package main

import (
	"testing"

	"gostack/test/upstream"
)

// The page that users read is what the route tables say.
func TestCompatibilityPageIsTrue(t *testing.T) {
	upstream.Need(t)
	t.Chdir("../..")
	if err := run(false, false, true); err != nil {
		t.Error(err)
	}
}
