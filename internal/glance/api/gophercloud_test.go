package api_test

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imageimport"
	gimages "github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/members"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// The walk of an image as Terraform and other users of gophercloud take it.
func TestGophercloud(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		server := httptest.NewServer(c.Handler)
		defer server.Close()
		as := func(token string) *gophercloud.ServiceClient {
			return &gophercloud.ServiceClient{
				ProviderClient: &gophercloud.ProviderClient{TokenID: token}, Type: "image",
				Endpoint: server.URL + "/image/", ResourceBase: server.URL + "/image/v2/",
			}
		}
		ctx, client := t.Context(), as("member")
		hidden, protected := false, true
		visibility := gimages.ImageVisibilityShared
		img, err := gimages.Create(ctx, client, gimages.CreateOpts{
			Name: "walk", DiskFormat: "raw", ContainerFormat: "bare", MinDisk: 1, MinRAM: 64, Tags: []string{"a", "b"},
			Visibility: &visibility, Hidden: &hidden, Protected: &protected, Properties: map[string]string{"os_distro": "debian"},
		}).Extract()
		if err != nil {
			t.Fatal(err)
		}
		if img.Status != gimages.ImageStatusQueued || img.Properties["os_distro"] != "debian" || !img.Protected || img.MinDiskGigabytes != 1 {
			t.Errorf("created %+v", img)
		}
		data := bytes.Repeat([]byte("walk"), 1<<18)
		if err := imagedata.Upload(ctx, client, img.ID, bytes.NewReader(data)).ExtractErr(); err != nil {
			t.Fatal(err)
		}
		body, err := imagedata.Download(ctx, client, img.ID).Extract()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		body.Close()
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("downloaded %d bytes, %v", len(got), err)
		}
		img, err = gimages.Update(ctx, client, img.ID, gimages.UpdateOpts{
			gimages.ReplaceImageName{NewName: "renamed"},
			gimages.ReplaceImageTags{NewTags: []string{"c"}},
			gimages.ReplaceImageProtected{NewProtected: false},
			gimages.UpdateImageProperty{Op: gimages.AddOp, Name: "hw_rng_model", Value: "virtio"},
			gimages.UpdateImageProperty{Op: gimages.RemoveOp, Name: "os_distro"},
		}).Extract()
		if err != nil || img.Name != "renamed" || img.Status != gimages.ImageStatusActive || img.SizeBytes != int64(len(data)) || img.Properties["hw_rng_model"] != "virtio" {
			t.Errorf("updated %+v, %v", img, err)
		}

		for range 6 {
			if _, err := gimages.Create(ctx, client, gimages.CreateOpts{Name: "more"}).Extract(); err != nil {
				t.Fatal(err)
			}
		}
		pages, count := 0, 0
		err = gimages.List(client, gimages.ListOpts{Limit: 2, Sort: "name:asc,created_at:desc"}).EachPage(ctx, func(_ context.Context, page pagination.Page) (bool, error) {
			list, err := gimages.ExtractImages(page)
			pages, count = pages+1, count+len(list)
			return true, err
		})
		if err != nil || count != 7 || pages < 4 {
			t.Errorf("listed %d images on %d pages, %v", count, pages, err)
		}

		if _, err := members.Create(ctx, client, img.ID, "project-2").Extract(); err != nil {
			t.Fatal(err)
		}
		if m, err := members.Update(ctx, as("other"), img.ID, "project-2", members.UpdateOpts{Status: "accepted"}).Extract(); err != nil || m.Status != "accepted" {
			t.Errorf("accepted %+v, %v", m, err)
		}
		if _, err := gimages.Get(ctx, as("other"), img.ID).Extract(); err != nil {
			t.Errorf("a member does not see the image: %v", err)
		}
		if err := members.Delete(ctx, client, img.ID, "project-2").ExtractErr(); err != nil {
			t.Error(err)
		}
		if info, err := imageimport.Get(ctx, client).Extract(); err != nil || len(info.ImportMethods.Value) != 0 {
			t.Errorf("import methods %+v, %v", info, err)
		}
		if err := gimages.Delete(ctx, client, img.ID).ExtractErr(); err != nil {
			t.Error(err)
		}
		if _, err := gimages.Get(ctx, client, img.ID).Extract(); !gophercloud.ResponseCodeIs(err, 404) {
			t.Errorf("after delete: %v", err)
		}
		c.clean()
	})
}
