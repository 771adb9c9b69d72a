package hostlink

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// alpn names the protocol in the TLS handshake. A stream begins with one frame of the dialer (request) and one of the other side (answer): four octets of
// length, big endian, and that much JSON.
const alpn = "gostack-hostlink/1"

type request struct {
	Service string          `json:"service"`
	Header  json.RawMessage `json:"header,omitempty"`
}

type answer struct {
	Refused *RefusedError   `json:"refused,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
}

// frameLimit bounds what a stranger can make us keep.
const frameLimit = 64 << 10

func writeFrame(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > frameLimit {
		return fmt.Errorf("a header of %d octets; %d at most", len(body), frameLimit)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

func readFrame(r io.Reader, v any) error {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > frameLimit {
		return errors.New("not a frame of this protocol")
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}
