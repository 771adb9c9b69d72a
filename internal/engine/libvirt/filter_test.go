package libvirt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	rpc "github.com/digitalocean/go-libvirt"
)

// sink is a libvirtd that notes what reaches it.
type sink struct {
	net.Conn
	got bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) { return s.got.Write(p) }

// frame is a message of libvirt's protocol.
func frame(program, procedure, kind uint32, body []byte) []byte {
	var b []byte
	for _, w := range []uint32{uint32(frameHead + len(body)), program, 1, procedure, kind, 7, 0} {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return append(b, body...)
}

func xdrText(b []byte, text string) []byte {
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
	return append(b, make([]byte, (4-len(text)%4)%4)...)
}

// prepare is the body of a migration's call.
func prepare(cookie string, params ...string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(params)/2+1))
	for i := 0; i < len(params); i += 2 {
		b = xdrText(binary.BigEndian.AppendUint32(xdrText(b, params[i]), typedString), params[i+1])
	}
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(xdrText(b, "bandwidth"), typedUlong), 8)
	return binary.BigEndian.AppendUint32(xdrText(b, cookie), 0)
}

func TestOnlyAMigrationsCallsPass(t *testing.T) {
	var got []Incoming
	var refuse error
	through := func(piece int, frames ...[]byte) (*sink, error) {
		s := &sink{}
		c := MigrationOnly(s, func(in Incoming) error {
			got = append(got, in)
			return refuse
		})
		for part := range slices.Chunk(slices.Concat(frames...), piece) {
			if _, err := c.Write(part); err != nil {
				return s, err
			}
		}
		return s, nil
	}
	open := frame(programRemote, 1, typeCall, []byte("body"))
	ping := frame(programKeepalive, 1, 2, nil)
	guest := frame(programRemote, procPrepare, typeCall, prepare("<qemu-migration><domain type='kvm'><name>c</name></domain></qemu-migration>\x00",
		rpc.MigrateParamDestXML, "<domain>a</domain>", rpc.MigrateParamPersistXML, "<domain>b</domain>", rpc.MigrateParamURI, "unix:///x", rpc.MigrateParamMigrateDisks, "vda", rpc.MigrateParamMigrateDisks, "vdb"))
	for _, piece := range []int{1, 5, frameHead, 4096} {
		got = nil
		s, err := through(piece, open, ping, guest, open)
		if err != nil || !bytes.Equal(s.got.Bytes(), slices.Concat(open, ping, guest, open)) {
			t.Fatalf("in pieces of %d: %v", piece, err)
		}
		if len(got) != 1 || strings.Join(got[0].Definitions, "|") != "<domain>a</domain>|<domain>b</domain>|<domain type='kvm'><name>c</name></domain>" ||
			len(got[0].Texts) != 2 || got[0].Texts[rpc.MigrateParamURI] != "unix:///x" {
			t.Fatalf("%+v", got)
		}
	}
	refuse = errors.New("not this one")
	for _, call := range []uint32{procPrepare, procFinish} {
		bad := frame(programRemote, call, typeCall, prepare("", rpc.MigrateParamDestXML, "<domain/>"))
		if s, err := through(9, open, bad); !errors.Is(err, refuse) || !bytes.Equal(s.got.Bytes(), open) {
			t.Errorf("a refused guest: %v, %d bytes passed", err, s.got.Len())
		}
	}
	refuse = nil
	for name, bad := range map[string][]byte{
		"define":                 frame(programRemote, 11, typeCall, nil),
		"an answer":              frame(programRemote, 1, 1, nil),
		"a stream":               frame(programRemote, procPrepare, 3, nil),
		"a file descriptor":      frame(programRemote, 1, 4, nil),
		"the program of QEMU":    frame(0x20008087, 1, typeCall, nil),
		"too long":               frame(programRemote, 1, typeCall, make([]byte, frameMax)),
		"too short":              binary.BigEndian.AppendUint32(nil, 4),
		"a body that ends":       frame(programRemote, procPrepare, typeCall, prepare("")[:20]),
		"a kind of parameter":    frame(programRemote, procPrepare, typeCall, []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9}),
		"a parameter twice":      frame(programRemote, procPrepare, typeCall, prepare("", rpc.MigrateParamDestXML, "<a/>", rpc.MigrateParamDestXML, "<b/>")),
		"a cookie that ends":     frame(programRemote, procPrepare, typeCall, prepare("<qemu-migration><domain>")),
		"a cookie with a DTD":    frame(programRemote, procPrepare, typeCall, prepare("<!DOCTYPE x><qemu-migration/>")),
		"a length without end":   frame(programRemote, procPrepare, typeCall, []byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}),
		"parameters without end": frame(programRemote, procPrepare, typeCall, []byte{0xff, 0xff, 0xff, 0xff}),
	} {
		if name == "too short" {
			bad = append(bad, make([]byte, frameHead)...)
		}
		if s, err := through(64, bad); err == nil || s.got.Len() > 0 {
			t.Errorf("%s: %v, %d bytes passed", name, err, s.got.Len())
		}
	}
}
