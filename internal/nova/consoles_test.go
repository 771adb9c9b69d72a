package nova

import "testing"

// What a guest's terminal gets has more in it than text.
func TestConsoleOutputIsPlain(t *testing.T) {
	const want = "[1mbold\tname\uFFFD\n"
	if got := plain([]byte("\x1b[1mbold\r\x00\tname\xff\v\n")); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
