package novatest

import (
	"context"

	"gostack/internal/nova"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// ImageID is the one image that Images has when it holds nothing else.
const ImageID = "70a599e0-31e7-49b7-b260-868f441e862b"

// Images is a Glance in memory, by id. Besides those it holds it has one active image.
type Images map[string]*nova.Image

var _ nova.Images = Images{}

// Image implements nova.Images.
func (m Images) Image(_ context.Context, _ *policy.Caller, id string) (*nova.Image, error) {
	if i := m[id]; i != nil {
		return i, nil
	}
	if id == ImageID {
		return &nova.Image{ID: id, Name: "small", Status: "active", DiskFormat: "qcow2", Size: 1 << 20, Properties: map[string]string{}}, nil
	}
	return nil, rest.NotFound("No image found with ID %s", id)
}
