package token

import (
	"bytes"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// Pack returns the MessagePack bytes of p in the version that its fields select.
func Pack(p *Payload) ([]byte, error) {
	version := p.version()
	shape := shapes[version]
	var out bytes.Buffer
	enc := msgpack.NewEncoder(&out)
	enc.UseCompactInts(true)
	if err := enc.EncodeArrayLen(1 + len(shape)); err != nil {
		return nil, err
	}
	if err := enc.EncodeInt(int64(version)); err != nil {
		return nil, err
	}
	for _, f := range shape {
		if err := f.pack(enc, p); err != nil {
			return nil, fmt.Errorf("pack token version %d: %w", version, err)
		}
	}
	return out.Bytes(), nil
}

// Unpack reads the bytes that Pack wrote, or that any Keystone since Kilo wrote, and fails with ErrMalformed for all others.
func Unpack(packed []byte) (*Payload, error) {
	raw, err := decode(packed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	items, ok := raw.([]any)
	if !ok || len(items) == 0 {
		return nil, ErrMalformed
	}
	version, ok := items[0].(int64)
	if !ok || version < 0 || version >= int64(len(shapes)) {
		return nil, fmt.Errorf("%w: unknown version %v", ErrMalformed, items[0])
	}
	shape := shapes[version]
	if len(items) != 1+len(shape) {
		return nil, fmt.Errorf("%w: version %d has %d fields, not %d", ErrMalformed, version, len(shape), len(items)-1)
	}
	p := &Payload{Federated: version >= versionFederatedUnscoped && version <= versionFederatedDomain}
	for i, f := range shape {
		if err := f.unpack(items[1+i], p); err != nil {
			return nil, fmt.Errorf("%w: version %d, field %d: %w", ErrMalformed, version, i+1, err)
		}
	}
	return p, nil
}
