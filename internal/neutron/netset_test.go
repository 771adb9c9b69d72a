package neutron

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestNetSetsAreSets compares the arithmetic on prefixes with that on single addresses.
func TestNetSetsAreSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) ([]string, map[netip.Addr]bool) {
			var cidrs []string
			in := map[netip.Addr]bool{}
			for range rapid.IntRange(0, 5).Draw(t, name) {
				bits := rapid.IntRange(26, 32).Draw(t, "bits")
				p := netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, byte(rapid.IntRange(128, 255).Draw(t, "last"))}), bits).Masked()
				cidrs = append(cidrs, p.String())
				for a := p.Addr(); a.IsValid() && p.Contains(a); a = a.Next() {
					in[a] = true
				}
			}
			return cidrs, in
		}
		a, inA := draw("a")
		b, inB := draw("b")
		left := setOf(a...).minus(setOf(b...))
		meets := false
		for i := 128; i < 256; i++ {
			x := netip.AddrFrom4([4]byte{255, 255, 255, byte(i)})
			want := inA[x] && !inB[x]
			meets = meets || inA[x] && inB[x]
			if got := slices.ContainsFunc(left.prefixes(), func(p netip.Prefix) bool { return p.Contains(x) }); got != want {
				t.Fatalf("%v minus %v has %v: %v", a, b, x, got)
			}
		}
		if got := setOf(a...).meets(setOf(b...)); got != meets {
			t.Fatalf("%v meets %v: %v", a, b, got)
		}
		if again := setOf(left.cidrs()...).cidrs(); !slices.Equal(again, left.cidrs()) {
			t.Fatalf("%v is not the shortest form, %v is", left.cidrs(), again)
		}
	})
}
