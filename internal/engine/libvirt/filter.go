package libvirt

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
)

// A libvirtd is asked by another one, over its own protocol, to take a guest. The same protocol can do everything else that root can. So
// what another host sends to our libvirtd passes through a filter that knows the few calls of a peer-to-peer migration.

// The numbers of the protocol (libvirt's src/remote/remote_protocol.x and src/rpc/virkeepaliveprotocol.x).
const (
	programRemote    = 0x20008086
	programKeepalive = 0x6b656570

	frameHead = 28 // length, program, version, procedure, type, serial, status
	frameMax  = 32 << 20
)

// migrationCalls are the procedures that the destination of a peer-to-peer migration of protocol version 3 is asked for.
var migrationCalls = map[uint32]string{
	1:   "connect open",
	2:   "connect close",
	3:   "get type",
	4:   "get version",
	59:  "get host name",
	60:  "supports feature",
	66:  "auth list",
	110: "get URI",
	157: "get library version",
	303: "migrate prepare",
	306: "migrate finish",
	360: "register close callback",
	361: "unregister close callback",
}

// MigrationOnly is a connection to libvirtd through which nothing but a migration's calls passes. What is written to it is checked frame
// by frame; a call that is not permitted is an error, after which the writer must hang up.
func MigrationOnly(libvirtd net.Conn) net.Conn { return &filtered{Conn: libvirtd} }

type filtered struct {
	net.Conn
	mu   sync.Mutex
	have []byte // of a frame that is not whole yet
	left int    // of a frame that was let through
}

// Write implements net.Conn.
func (f *filtered) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	total := len(p)
	for len(p) > 0 {
		if f.left > 0 {
			n := min(f.left, len(p))
			if _, err := f.Conn.Write(p[:n]); err != nil {
				return 0, err
			}
			f.left -= n
			p = p[n:]
			continue
		}
		n := min(frameHead-len(f.have), len(p))
		f.have = append(f.have, p[:n]...)
		p = p[n:]
		if len(f.have) < frameHead {
			break
		}
		length, err := permitted(f.have)
		if err != nil {
			return 0, err
		}
		if _, err := f.Conn.Write(f.have); err != nil {
			return 0, err
		}
		f.left, f.have = length-frameHead, f.have[:0]
	}
	return total, nil
}

// permitted answers the length of a frame that may pass.
func permitted(head []byte) (int, error) {
	word := func(i int) uint32 { return binary.BigEndian.Uint32(head[4*i:]) }
	length, program, procedure := word(0), word(1), word(3)
	if length < frameHead || length > frameMax {
		return 0, fmt.Errorf("libvirt: a frame of %d bytes is refused", length)
	}
	switch program {
	case programKeepalive:
		return int(length), nil
	case programRemote:
		if migrationCalls[procedure] != "" {
			return int(length), nil
		}
	}
	return 0, fmt.Errorf("libvirt: procedure %d of program %#x is not one of a migration", procedure, program)
}

// CloseWrite ends the way to libvirtd alone.
func (f *filtered) CloseWrite() error {
	if half, ok := f.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return f.Conn.Close()
}
