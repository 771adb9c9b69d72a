package libvirt

import (
	"encoding/xml"
	"strings"
	"testing"

	"gostack/internal/nova/driver"
)

// Whatever a user calls a server, the definition stays well-formed and the mark
// says what we wrote.
func FuzzMark(f *testing.F) {
	f.Add("web", "p1")
	f.Add(`"><gostack:server owner="other"/>`, "</metadata>")
	f.Add("\x00\xff\u2028", "]]>")
	d := &Driver{Options: Options{Owner: "cloud-1"}}
	f.Fuzz(func(t *testing.T, name, project string) {
		text := d.metadataXML(driver.GuestSpec{ID: "id-1", Name: name, Project: driver.Ref{ID: project}})
		m, ok := readMark(text)
		if !ok || m.Owner != "cloud-1" || m.ID != "id-1" {
			t.Errorf("mark %+v of %q", m, name)
		}
		if err := xml.Unmarshal([]byte("<m>"+text+"</m>"), &struct{}{}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if strings.Count(text, "<gostack:server") != 1 {
			t.Errorf("%q smuggled in a mark: %s", name, text)
		}
	})
}

func FuzzReadMark(f *testing.F) {
	f.Add(`<gostack:server xmlns:gostack="urn:gostack:compute:1" owner="a" id="b"/>`)
	f.Add(`<x><gostack:server/></x>`)
	f.Fuzz(func(t *testing.T, inner string) {
		if m, ok := readMark(inner); !ok && m != (mark{}) {
			t.Errorf("no mark, but %+v", m)
		}
	})
}
