package hardware

import "strings"

// TPM is a trusted platform module that a guest wants.
type TPM struct{ Version, Model string }

// Named words of these devices.
const (
	TPM20  = "2.0"
	TPM12  = "1.2"
	TPMTIS = "tpm-tis"
	TPMCRB = "tpm-crb"

	SecureBootRequired = "required"
)

// TPM is the module that flavor and image agree on; nil is none.
func (w Wish) TPM() (*TPM, error) {
	version, err := w.one("hw", "tpm_version")
	if err != nil || version == "" {
		return nil, err
	}
	if version != TPM12 && version != TPM20 {
		return nil, conflict("Invalid TPM version '%s'. Allowed values: 1.2, 2.0.", version)
	}
	model, err := w.one("hw", "tpm_model")
	switch {
	case err != nil:
		return nil, err
	case model == "":
		model = TPMTIS
	case model != TPMTIS && model != TPMCRB:
		return nil, conflict("Invalid TPM model '%s'. Allowed values: tpm-tis, tpm-crb.", model)
	case model == TPMCRB && version != TPM20:
		return nil, conflict("TPM model CRB is only valid with TPM version 2.0.")
	}
	return &TPM{version, model}, nil
}

// SecureBoot is "required", "optional", "disabled" or "" when nothing is said.
func (w Wish) SecureBoot() (string, error) {
	policy, err := w.one("os", "secure_boot")
	if err == nil && policy != "" && policy != SecureBootRequired && policy != "optional" && policy != "disabled" {
		err = conflict("Invalid secure boot policy '%s'. Allowed values: required, disabled, optional.", policy)
	}
	return policy, err
}

// MemoryEncryption tells whether the guest's memory shall be encrypted, which flavor and image must agree on, and firmware and machine allow.
func (w Wish) MemoryEncryption() (bool, error) {
	flavor, image := w.both("mem_encryption")
	if !IsTrue(flavor) && !IsTrue(image) {
		return false, nil
	}
	if flavor != "" && image != "" && IsTrue(flavor) != IsTrue(image) {
		value := "False"
		if IsTrue(image) {
			value = "True"
		}
		return false, conflict("Flavor %s has hw:mem_encryption extra spec explicitly set to %s, conflicting with image %s which has hw_mem_encryption property explicitly set to %s",
			w.Flavor.Name, flavor, w.Image.Name, value)
	}
	var by []string
	if IsTrue(flavor) {
		by = append(by, "hw:mem_encryption extra spec in "+w.Flavor.Name+" flavor")
	}
	if IsTrue(image) {
		by = append(by, "hw_mem_encryption property of image "+w.Image.Name)
	}
	if w.Image.Properties["hw_firmware_type"] != "uefi" {
		return false, conflict("Memory encryption requested by %s but image %s doesn't have 'hw_firmware_type' property set to 'uefi'", strings.Join(by, " and "), w.Image.Name)
	}
	if machine := w.Image.Properties["hw_machine_type"]; machine != "" && !strings.Contains(machine, "q35") {
		return false, conflict("Machine type '%s' is not compatible with image %s (%s): q35 type is required for SEV to work", machine, w.Image.Name, w.Image.ID)
	}
	return true, nil
}

// agreed is a yes or no that flavor and image must agree on; nil is nothing said.
func (w Wish) agreed(key string, refusal func(flavor, image string) error) (*bool, error) {
	flavor, image := w.both(key)
	if flavor != "" && image != "" && IsTrue(flavor) != IsTrue(image) {
		return nil, refusal(flavor, image)
	}
	if flavor == "" {
		flavor = image
	}
	if flavor == "" {
		return nil, nil
	}
	value := IsTrue(flavor)
	return &value, nil
}

func (w Wish) saidTwice(key string) func(string, string) error {
	return func(string, string) error { _, err := w.one("hw", key); return err }
}

// PMU tells whether the guest shall see the performance monitor of the processor; nil leaves it to the hypervisor.
func (w Wish) PMU() (*bool, error) {
	return w.agreed("pmu", func(string, string) error {
		return conflict("Image property 'hw_pmu' is not permitted to override the PMU policy set in the flavor")
	})
}

// LockedMemory tells whether the guest's memory must stay where it is, which wants pages of a size.
func (w Wish) LockedMemory() (bool, error) {
	locked, err := w.agreed("locked_memory", func(flavor, image string) error {
		return conflict("locked_memory value in image (%s) and flavor (%s) conflict. A consistent value is expected if both specified.", image, flavor)
	})
	if err != nil || locked == nil || !*locked {
		return false, err
	}
	if flavor, image := w.both("mem_page_size"); flavor == "" && image == "" {
		return false, conflict("locked_memory value in image or flavor is forbidden when mem_page_size is not set.")
	}
	return true, nil
}

// PackedRing tells whether virtio devices use packed rings.
func (w Wish) PackedRing() (bool, error) {
	packed, err := w.agreed("virtio_packed_ring", w.saidTwice("virtio_packed_ring"))
	return packed != nil && *packed, err
}

// Multiqueue tells whether network cards have a queue for each processor.
func (w Wish) Multiqueue() (bool, error) {
	many, err := w.agreed("vif_multiqueue_enabled", w.saidTwice("vif_multiqueue_enabled"))
	return many != nil && *many, err
}

// SerialPorts is how many serial ports the guest has: the image may have fewer than the flavor says, and 1 is what a guest has anyway.
func (w Wish) SerialPorts() (int, error) {
	flavor, image := w.both("serial_port_count")
	most, err := number("hw:serial_port_count", flavor)
	if err != nil {
		return 0, conflict("Number of serial ports specified in flavor is invalid: expected an integer, got '%s'", flavor)
	}
	n, err := number("hw_serial_port_count", image)
	switch {
	case err != nil:
		return 0, err
	case most > 0 && n > most:
		return 0, conflict("Forbidden to exceed flavor value of number of serial ports passed in image meta.")
	}
	return first(n, most, 1), nil
}

// AddressSpace is how the guest's physical addresses are sized.
type AddressSpace struct {
	Mode string // "passthrough", "emulate"
	Bits int
}

// AddressSpace is what flavor and image agree on; nil is nothing.
func (w Wish) AddressSpace() (*AddressSpace, error) {
	mode, err := w.one("hw", "maxphysaddr_mode")
	if err != nil || mode == "" {
		return nil, err
	}
	if mode != "passthrough" && mode != "emulate" {
		return nil, conflict("Invalid Maxphyaddr mode '%s'. Allowed values: passthrough, emulate.", mode)
	}
	text, err := w.one("hw", "maxphysaddr_bits")
	if err != nil {
		return nil, err
	}
	bits, err := number("maxphysaddr_bits", text)
	if err == nil && mode == "emulate" && bits == 0 {
		err = conflict("hw:maxphysaddr_bits is needed with hw:maxphysaddr_mode=emulate.")
	}
	return &AddressSpace{mode, bits}, err
}
