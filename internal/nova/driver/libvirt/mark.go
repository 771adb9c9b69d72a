package libvirt

import (
	"context"
	"encoding/xml"
	"fmt"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// markURI is the namespace of our element in a domain's metadata.
const markURI = "urn:gostack:compute:1"

// novaURI is upstream's, read by monitoring tools (ceilometer, exporters).
const novaURI = "http://openstack.org/xmlns/libvirt/nova/1.1"

// mark is our element: whose server the domain is.
type mark struct {
	XMLName xml.Name `xml:"urn:gostack:compute:1 server"`
	Owner   string   `xml:"owner,attr"`
	ID      string   `xml:"id,attr"`
	Project string   `xml:"project,attr"`
	Name    string   `xml:"name,attr"`
}

// metadataXML is the content of the domain's metadata element: our mark and
// upstream's description of the instance.
func (d *Driver) metadataXML(spec driver.GuestSpec) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<gostack:server xmlns:gostack=%q owner=%s id=%s project=%s name=%s/>`,
		markURI, attr(d.Owner), attr(spec.ID), attr(spec.Project.ID), attr(spec.Name))
	fmt.Fprintf(&b, `<nova:instance xmlns:nova=%q>`, novaURI)
	fmt.Fprintf(&b, `<nova:package version="gostack"/><nova:name>%s</nova:name>`, escape(spec.Name))
	if spec.CreatedAt != "" {
		fmt.Fprintf(&b, `<nova:creationTime>%s</nova:creationTime>`, escape(spec.CreatedAt))
	}
	f := spec.Flavor
	fmt.Fprintf(&b, `<nova:flavor name=%s><nova:memory>%d</nova:memory><nova:disk>%d</nova:disk><nova:swap>%d</nova:swap>`+
		`<nova:ephemeral>%d</nova:ephemeral><nova:vcpus>%d</nova:vcpus></nova:flavor>`,
		attr(f.Name), f.MemoryMB, f.RootGB, f.SwapMB, f.EphemeralGB, f.VCPUs)
	fmt.Fprintf(&b, `<nova:owner><nova:user uuid=%s>%s</nova:user><nova:project uuid=%s>%s</nova:project></nova:owner>`,
		attr(spec.User.ID), escape(spec.User.Name), attr(spec.Project.ID), escape(spec.Project.Name))
	if spec.Image != nil {
		fmt.Fprintf(&b, `<nova:root type="image" uuid=%s/>`, attr(spec.Image.ID))
	}
	b.WriteString(`<nova:ports>`)
	for _, n := range spec.NICs {
		fmt.Fprintf(&b, `<nova:port uuid=%s/>`, attr(n.PortID))
	}
	b.WriteString(`</nova:ports></nova:instance>`)
	return b.String()
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}

func attr(s string) string { return `"` + escape(s) + `"` }

// marked tells whether the domain carries this cloud's mark.
func (d *Driver) marked(ctx context.Context, dom rpc.Domain) (bool, error) {
	text, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (string, error) {
		return l.DomainGetMetadata(dom, int32(rpc.DomainMetadataElement), rpc.OptString{markURI}, rpc.DomainAffectCurrent)
	})
	if libvirt.Is(err, rpc.ErrNoDomainMetadata) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var m mark
	if xml.Unmarshal([]byte(text), &m) != nil {
		// libvirt answers the element with or without its namespace.
		var bare struct {
			Owner string `xml:"owner,attr"`
		}
		if err := xml.Unmarshal([]byte(text), &bare); err != nil {
			return false, nil
		}
		m.Owner = bare.Owner
	}
	return m.Owner == d.Owner, nil
}

// readMark finds our mark in the content of a metadata element.
func readMark(inner string) (mark, bool) {
	var all struct {
		Mark *mark `xml:"urn:gostack:compute:1 server"`
	}
	if err := xml.Unmarshal([]byte("<metadata>"+inner+"</metadata>"), &all); err != nil || all.Mark == nil {
		return mark{}, false
	}
	return *all.Mark, true
}
