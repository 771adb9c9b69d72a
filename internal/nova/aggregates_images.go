package nova

import (
	"context"

	"gostack/internal/nova/driver"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// AggregateResource is the type of aggregates in operations.
const AggregateResource = "aggregate"

// KindCacheImages fetches images to the hosts of an aggregate. Its state is CacheState.
const KindCacheImages = "nova.aggregate.cache_images"

// CacheState is what the caching of images begins with. Hosts are those that were in the aggregate at the time of asking.
type CacheState struct {
	Aggregate string         `json:"aggregate"` // UUID
	Hosts     []string       `json:"hosts"`
	Images    []driver.Image `json:"images"`
	// Failed are the hosts that could not fetch them.
	Failed []string `json:"failed,omitempty"`
}

// CacheImages starts to fetch images to the hosts of an aggregate (microversion 2.81). What comes of it is in the operation's
// timeline; a host that cannot fetches the image when a server needs it.
func (s *Service) CacheImages(ctx context.Context, c *policy.Caller, id string, images []string) error {
	a, err := s.Aggregate(ctx, id)
	if err != nil {
		return err
	}
	state := CacheState{Aggregate: a.UUID, Hosts: a.Hosts}
	for _, id := range images {
		i, err := s.Images.Image(ctx, c, id)
		if rest.IsNotFound(err) {
			return rest.BadRequest("Image %s could not be found.", id)
		}
		if err != nil {
			return err
		}
		if i.Status != "active" {
			return rest.BadRequest("Image %s is not active.", id)
		}
		state.Images = append(state.Images, driver.Image{
			ID: i.ID, Name: i.Name, DiskFormat: i.DiskFormat, Size: i.Size, MinDiskGB: int(i.MinDiskGB), MinRAMMB: int(i.MinRAMMB), HashAlgo: i.HashAlgo,
			HashValue: i.HashValue, Properties: i.Properties,
		})
	}
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := s.Operations.Start(ctx, tx, saga.Intent{
			Kind: KindCacheImages, Resource: saga.Resource{Type: AggregateResource, ID: a.UUID}, State: state, Caller: c, RequestID: c.RequestID,
		})
		return err
	})
}
