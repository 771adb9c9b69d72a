package ovntest

import (
	"encoding/binary"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Wire is a raw socket on a guest's interface.
type Wire struct {
	fd    int
	index int
}

// Wire opens a raw socket in the guest.
func (g *Guest) Wire(t testing.TB) *Wire {
	t.Helper()
	w := &Wire{}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- func() error {
			ns, err := netns.GetFromName(g.Name)
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := netns.Set(ns); err != nil {
				return err
			}
			dev, err := net.InterfaceByName("eth0")
			if err != nil {
				return err
			}
			w.index = dev.Index
			if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(network(unix.ETH_P_ALL))); err != nil {
				return err
			}
			timeout := unix.NsecToTimeval(int64(100 * time.Millisecond))
			if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
				return err
			}
			return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: network(unix.ETH_P_ALL), Ifindex: w.index})
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(w.fd) })
	return w
}

func network(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// Send puts a frame on the wire.
func (w *Wire) Send(t testing.TB, frame []byte) {
	t.Helper()
	if err := unix.Sendto(w.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: w.index}); err != nil {
		t.Fatal(err)
	}
}

// Saw tells whether, within the time, a frame arrives for which match is true.
func (w *Wire) Saw(within time.Duration, match func(frame []byte) bool) bool {
	buf := make([]byte, 2048)
	for end := time.Now().Add(within); time.Now().Before(end); {
		n, err := unix.Read(w.fd, buf)
		if err == nil && match(buf[:n]) {
			return true
		}
	}
	return false
}

// Ethernet builds a frame; src and dst are MAC addresses.
func Ethernet(dst, src string, kind uint16, payload []byte) []byte {
	d, _ := net.ParseMAC(dst)
	s, _ := net.ParseMAC(src)
	out := append(append([]byte{}, d...), s...)
	out = binary.BigEndian.AppendUint16(out, kind)
	return append(out, payload...)
}

// ARP builds a request or reply (op 1 or 2) for IPv4 (RFC 826).
func ARP(op uint16, senderMAC, senderIP, targetMAC, targetIP string) []byte {
	out := []byte{0, 1, 8, 0, 6, 4}
	out = binary.BigEndian.AppendUint16(out, op)
	sm, _ := net.ParseMAC(senderMAC)
	tm, _ := net.ParseMAC(targetMAC)
	out = append(append(out, sm...), net.ParseIP(senderIP).To4()...)
	return append(append(out, tm...), net.ParseIP(targetIP).To4()...)
}

// UDP4 builds an IPv4 packet with a UDP datagram (no UDP checksum, which IPv4 allows).
func UDP4(src, dst string, sport, dport uint16, payload []byte) []byte {
	udp := binary.BigEndian.AppendUint16(nil, sport)
	udp = binary.BigEndian.AppendUint16(udp, dport)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(payload)))
	udp = append(append(udp, 0, 0), payload...)
	ip := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0}
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(udp)))
	ip = append(append(ip, net.ParseIP(src).To4()...), net.ParseIP(dst).To4()...)
	binary.BigEndian.PutUint16(ip[10:], ^fold(sum(ip)))
	return append(ip, udp...)
}

// ICMP6 builds an IPv6 packet with an ICMPv6 message; body starts after the checksum (RFC 4443).
func ICMP6(src, dst string, kind, code byte, body []byte) []byte {
	msg := append([]byte{kind, code, 0, 0}, body...)
	return ipv6(src, dst, 58, msg, 2)
}

// UDP6 builds an IPv6 packet with a UDP datagram.
func UDP6(src, dst string, sport, dport uint16, payload []byte) []byte {
	udp := binary.BigEndian.AppendUint16(nil, sport)
	udp = binary.BigEndian.AppendUint16(udp, dport)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(payload)))
	return ipv6(src, dst, 17, append(append(udp, 0, 0), payload...), 6)
}

// ipv6 puts a header before a message whose checksum, at the given offset, covers the addresses too.
func ipv6(src, dst string, proto byte, msg []byte, checksum int) []byte {
	s, d := net.ParseIP(src).To16(), net.ParseIP(dst).To16()
	pseudo := append(append(append([]byte{}, s...), d...), 0, 0, byte(len(msg)>>8), byte(len(msg)), 0, 0, 0, proto)
	binary.BigEndian.PutUint16(msg[checksum:], ^fold(sum(append(pseudo, msg...))))
	ip := []byte{0x60, 0, 0, 0, byte(len(msg) >> 8), byte(len(msg)), proto, 255}
	return append(append(append(ip, s...), d...), msg...)
}

func sum(b []byte) uint32 {
	var n uint32
	for i := 0; i+1 < len(b); i += 2 {
		n += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		n += uint32(b[len(b)-1]) << 8
	}
	return n
}

func fold(n uint32) uint16 {
	for n>>16 != 0 {
		n = n>>16 + n&0xffff
	}
	return uint16(n)
}
