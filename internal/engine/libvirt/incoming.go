package libvirt

import (
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"
)

// Incoming is what another host asks of our libvirtd for a guest that is to come, or has come: everything that could make the guest, or the
// libvirtd, another than the one that control has announced.
type Incoming struct {
	// Definitions are domain elements: the one to start, the one to keep, and those in cookies.
	Definitions []string
	// Texts are the parameters that are texts, by name (virDomainMigrateParameter), but for definitions.
	Texts map[string]string
}

// The calls of a migration that carry definitions.
const (
	procPrepare = 303 // remote_domain_migrate_prepare3_params_args: params<>, cookie_in<>, flags
	procFinish  = 306 // remote_domain_migrate_finish3_params_args: params<>, cookie_in<>, flags, cancelled
)

// The kinds of typed parameters (virTypedParameterType).
const (
	typedInt = 1 + iota
	typedUint
	typedLong
	typedUlong
	typedDouble
	typedBool
	typedString
)

// incoming decodes the body of a call.
func incoming(body []byte) (Incoming, error) {
	in := Incoming{Texts: map[string]string{}}
	r := xdr{rest: body}
	for n := r.number(); n > 0 && r.err == nil; n-- {
		name := r.text()
		switch kind := r.number(); kind {
		case typedInt, typedUint, typedBool:
			r.number()
		case typedLong, typedUlong, typedDouble:
			r.number()
			r.number()
		case typedString:
			value := r.text()
			if _, twice := in.Texts[name]; twice && name != rpc.MigrateParamMigrateDisks {
				return in, fmt.Errorf("libvirt: parameter %q comes twice", name)
			}
			switch name {
			case rpc.MigrateParamDestXML, rpc.MigrateParamPersistXML:
				in.Definitions = append(in.Definitions, value)
			}
			in.Texts[name] = value
		default:
			return in, fmt.Errorf("libvirt: parameter %q is of unknown kind %d", name, kind)
		}
	}
	cookie := r.text()
	if r.err != nil {
		return in, fmt.Errorf("libvirt: a migration's call does not read: %w", r.err)
	}
	delete(in.Texts, rpc.MigrateParamDestXML)
	delete(in.Texts, rpc.MigrateParamPersistXML)
	more, err := definitionsIn(strings.TrimRight(cookie, "\x00"))
	in.Definitions = append(in.Definitions, more...)
	return in, err
}

// definitionsIn finds the domain elements of a migration cookie: the definition that the destination keeps travels in one.
func definitionsIn(cookie string) (all []string, err error) {
	d := xml.NewDecoder(strings.NewReader(cookie))
	for {
		begin := d.InputOffset()
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("libvirt: a migration's cookie does not read: %w", err)
		}
		switch e := token.(type) {
		case xml.Directive:
			return nil, errors.New("libvirt: a migration's cookie has a directive")
		case xml.StartElement:
			if !strings.EqualFold(e.Name.Local, "domain") {
				continue
			}
			for depth := 1; depth > 0; {
				token, err := d.RawToken()
				if err != nil {
					return nil, fmt.Errorf("libvirt: a migration's cookie does not read: %w", err)
				}
				switch token.(type) {
				case xml.StartElement:
					depth++
				case xml.EndElement:
					depth--
				}
			}
			all = append(all, cookie[begin:d.InputOffset()])
		}
	}
}

// xdr reads RFC 4506.
type xdr struct {
	rest []byte
	err  error
}

func (x *xdr) take(n int) []byte {
	if x.err == nil && n > len(x.rest) {
		x.err = io.ErrUnexpectedEOF
	}
	if x.err != nil {
		return nil
	}
	b := x.rest[:n]
	x.rest = x.rest[n:]
	return b
}

func (x *xdr) number() uint32 {
	b := x.take(4)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

func (x *xdr) text() string {
	n := int(x.number())
	b := x.take(n)
	x.take((4 - n%4) % 4)
	return string(b)
}
