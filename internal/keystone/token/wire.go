package token

import (
	"encoding/binary"
	"errors"
	"math"
)

var errWire = errors.New("not MessagePack")

// maxDepth is the deepest nesting of any payload: groups are a list of pairs inside the list of fields.
const maxDepth = 4

// decode reads one MessagePack value of the kinds that payloads use and demands that nothing follows it. Unlike the library's
// decoder it never allocates more than the input is long, whatever lengths the input claims.
func decode(in []byte) (any, error) {
	v, rest, err := decodeValue(in, maxDepth)
	if err == nil && len(rest) > 0 {
		err = errWire
	}
	return v, err
}

func decodeValue(in []byte, depth int) (v any, rest []byte, err error) {
	if len(in) == 0 {
		return nil, nil, errWire
	}
	code, in := in[0], in[1:]
	switch {
	case code <= 0x7f:
		return int64(code), in, nil
	case code >= 0xe0:
		return int64(int8(code)), in, nil
	case code >= 0x90 && code <= 0x9f:
		return decodeArray(in, int(code&0x0f), depth)
	case code >= 0xa0 && code <= 0xbf:
		return decodeText(in, int(code&0x1f))
	}
	switch code {
	case 0xc0:
		return nil, in, nil
	case 0xc2, 0xc3:
		return code == 0xc3, in, nil
	}
	size, ok := map[byte]int{
		0xc4: 1, 0xc5: 2, 0xca: 4, 0xcb: 8, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8,
		0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8, 0xd9: 1, 0xda: 2, 0xdc: 2,
	}[code]
	if !ok || len(in) < size {
		return nil, nil, errWire
	}
	var word [8]byte
	copy(word[8-size:], in[:size])
	n, in := binary.BigEndian.Uint64(word[:]), in[size:]
	switch code {
	case 0xc4, 0xc5:
		if uint64(len(in)) < n {
			return nil, nil, errWire
		}
		return in[:n:n], in[n:], nil
	case 0xca:
		return float64(math.Float32frombits(uint32(n))), in, nil
	case 0xcb:
		return math.Float64frombits(n), in, nil
	case 0xd9, 0xda:
		return decodeText(in, int(n))
	case 0xdc:
		return decodeArray(in, int(n), depth)
	case 0xcf:
		if n > math.MaxInt64 {
			return nil, nil, errWire
		}
		return int64(n), in, nil
	case 0xd0:
		return int64(int8(n)), in, nil
	case 0xd1:
		return int64(int16(n)), in, nil
	case 0xd2:
		return int64(int32(n)), in, nil
	default: // 0xcc, 0xcd, 0xce, 0xd3
		return int64(n), in, nil
	}
}

func decodeText(in []byte, n int) (any, []byte, error) {
	if len(in) < n {
		return nil, nil, errWire
	}
	return string(in[:n]), in[n:], nil
}

func decodeArray(in []byte, n, depth int) (any, []byte, error) {
	if depth == 0 || len(in) < n { // each element takes a byte at least
		return nil, nil, errWire
	}
	items := make([]any, n)
	for i := range items {
		var err error
		if items[i], in, err = decodeValue(in, depth-1); err != nil {
			return nil, nil, err
		}
	}
	return items, in, nil
}
