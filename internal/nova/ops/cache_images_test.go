package ops_test

import (
	"context"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/novatest"
	"gostack/internal/rest/resttest"
	"gostack/internal/saga/sagatest"
)

func TestCacheImagesIsProved(t *testing.T) {
	judge := func(t *testing.T, w *world) {
		t.Helper()
		w.Clean(t)
		if !w.Hosts["host-1"].HasImage(novatest.ImageID) {
			t.Error("the image is not on the host")
		}
	}
	sagatest.Prove(t, nova.KindCacheImages, proof(nil, func(ctx context.Context, w *world) error {
		if _, err := w.Nova.CreateAggregate(ctx, "a", ""); err != nil {
			return err
		}
		if _, err := w.Nova.AddAggregateHost(ctx, "1", "host-1"); err != nil {
			return err
		}
		return w.Nova.CacheImages(ctx, resttest.Personas["admin"], "1", []string{novatest.ImageID})
	}, judge, judge)) // an image that is there may stay when the operation was cancelled
}
