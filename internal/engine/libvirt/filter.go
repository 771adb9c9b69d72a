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
	frameMax  = 4 << 20

	typeCall = 0 // virNetMessageType; the others are answers, streams, and calls with file descriptors
)

// migrationCalls are the procedures that the destination of a peer-to-peer migration of protocol version 3 is asked for.
var migrationCalls = map[uint32]string{
	1:           "connect open",
	2:           "connect close",
	3:           "get type",
	4:           "get version",
	59:          "get host name",
	60:          "supports feature",
	66:          "auth list",
	110:         "get URI",
	157:         "get library version",
	procPrepare: "migrate prepare",
	procFinish:  "migrate finish",
	360:         "register close callback",
	361:         "unregister close callback",
}

// MigrationOnly is a connection to libvirtd through which nothing but a migration's calls passes. What is written to it is checked frame
// by frame; a call that is not permitted is an error, after which the writer must hang up. The calls that bring a guest pass when check has
// nothing against it.
func MigrationOnly(libvirtd net.Conn, check func(Incoming) error) net.Conn {
	return &filtered{Conn: libvirtd, check: check}
}

type filtered struct {
	net.Conn
	check func(Incoming) error
	mu    sync.Mutex
	have  []byte // of a frame that is not whole yet
	want  int    // how long have must be; 0: its head is not here
}

// Write implements net.Conn.
func (f *filtered) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	total := len(p)
	for len(p) > 0 {
		n := min(max(f.want, frameHead)-len(f.have), len(p))
		f.have = append(f.have, p[:n]...)
		p = p[n:]
		if f.want == 0 && len(f.have) == frameHead {
			length, err := permitted(f.have)
			if err != nil {
				return 0, err
			}
			f.want = length
		}
		if f.want == 0 || len(f.have) < f.want {
			continue
		}
		if procedure := word(f.have, 3); word(f.have, 1) == programRemote && (procedure == procPrepare || procedure == procFinish) {
			in, err := incoming(f.have[frameHead:])
			if err == nil {
				err = f.check(in)
			}
			if err != nil {
				return 0, err
			}
		}
		if _, err := f.Conn.Write(f.have); err != nil {
			return 0, err
		}
		f.have, f.want = f.have[:0], 0
	}
	return total, nil
}

// word is one of a frame's head.
func word(head []byte, i int) uint32 { return binary.BigEndian.Uint32(head[4*i:]) }

// permitted answers the length of a frame that may pass.
func permitted(head []byte) (int, error) {
	length, program, procedure, kind := word(head, 0), word(head, 1), word(head, 3), word(head, 4)
	if length < frameHead || length > frameMax {
		return 0, fmt.Errorf("libvirt: a frame of %d bytes is refused", length)
	}
	switch program {
	case programKeepalive:
		return int(length), nil
	case programRemote:
		if migrationCalls[procedure] != "" && kind == typeCall {
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
