// Package hardware says what a flavor and an image ask of a guest's hardware, whether they agree, and how a guest's processors and memory fit
// onto a host's NUMA cells.
//
// It is pure: values in, values out. Nova's API refuses with it, the scheduler asks it which hosts fit, the claim in the database asks it which
// processors a server gets, and the hypervisor's driver builds what it says. The rules are those of nova/virt/hardware.py.
package hardware

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Flavor is what of a flavor decides about hardware. Specs are its extra specs.
type Flavor struct {
	Name            string
	VCPUs, MemoryMB int
	Specs           map[string]string
}

// Image is what of an image decides about hardware.
type Image struct {
	ID, Name   string
	Properties map[string]string
}

// Wish is a flavor and an image together.
type Wish struct {
	Flavor Flavor
	Image  Image
}

// Conflict is a wish that cannot be: all of Nova's answers to that are 400. Its text is upstream's and safe for tenants.
type Conflict struct{ Text string }

func (c *Conflict) Error() string { return c.Text }

func conflict(format string, args ...any) error { return &Conflict{fmt.Sprintf(format, args...)} }

// IsConflict tells whether an error says that a wish cannot be, and what it says.
func IsConflict(err error) (text string, ok bool) {
	c := (*Conflict)(nil)
	if errors.As(err, &c) {
		return c.Text, true
	}
	return "", false
}

// both returns what the flavor (hw:key) and the image (hw_key) say; "" is nothing.
func (w Wish) both(key string) (flavor, image string) {
	return w.Flavor.Specs["hw:"+key], w.Image.Properties["hw_"+key]
}

// one is what flavor or image say, refused when they say different things.
func (w Wish) one(prefix, key string) (string, error) {
	flavor, image := w.Flavor.Specs[prefix+":"+key], w.Image.Properties[prefix+"_"+key]
	if flavor != "" && image != "" && flavor != image {
		return "", conflict("Flavor %s has %s:%s extra spec explicitly set to %s, conflicting with image %s which has %s_%s explicitly set to %s.",
			w.Flavor.Name, prefix, key, flavor, w.Image.Name, prefix, key, image)
	}
	if flavor == "" {
		flavor = image
	}
	return flavor, nil
}

// ParseBool reads a yes or no as OpenStack writes them (oslo_utils.strutils.bool_from_string, strict).
func ParseBool(text string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "1", "t", "true", "on", "y", "yes":
		return true, true
	case "0", "f", "false", "off", "n", "no":
		return false, true
	}
	return false, false
}

// IsTrue is ParseBool for which whatever is no yes is a no.
func IsTrue(text string) bool {
	value, _ := ParseBool(text)
	return value
}

// number reads a number of the image or flavor; "" is 0.
func number(what, text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0, conflict("invalid literal for int() with base 10: '%s' (%s)", text, what)
	}
	return n, nil
}
