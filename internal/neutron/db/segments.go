package db

import "github.com/uptrace/bun"

// NetworkSegment is a row of neutron_network_segments.
type NetworkSegment struct {
	bun.BaseModel `bun:"neutron_network_segments,alias:t"`
	Standard

	Name            string `bun:"name"`
	NetworkID       string `bun:"network_id"`
	NetworkType     string `bun:"network_type"`
	PhysicalNetwork string `bun:"physical_network"`
	SegmentationID  int64  `bun:"segmentation_id"`
	Position        int64  `bun:"position"`
}

// SegmentPart is what a network's row has of each of its segments, when they are more than one.
type SegmentPart struct {
	ID              string `json:"id"`
	NetworkType     string `json:"network_type"`
	PhysicalNetwork string `json:"physical_network"`
	SegmentationID  int64  `json:"segmentation_id"`
}
