package db

import (
	"context"

	"github.com/uptrace/bun"
)

// importingTo is the reserved property that names the stores that an image is being copied to.
const importingTo = "os_glance_importing_to_stores"

// Usage is how much a project has.
type Usage struct {
	Owner     string
	Images    int64
	Stored    int64 // bytes of data in stores, each copy counted
	Staged    int64 // bytes that wait for their import, or are being copied
	Uploading int64 // images whose data is coming or being copied
}

// UsageOf counts what some projects have; one that has nothing is not in the answer. Two statements, however many images there are: images
// with several copies, and those being copied, are few, and looked at one by one.
func UsageOf(ctx context.Context, idb bun.IDB, owners []string) (map[string]Usage, error) {
	var sums []Usage
	err := idb.NewSelect().TableExpr("glance_images").Column("owner").
		ColumnExpr("COUNT(*) AS images").
		ColumnExpr("CAST(SUM(CASE WHEN locations <> '[]' AND size > 0 THEN size ELSE 0 END) AS BIGINT) AS stored").
		ColumnExpr("CAST(SUM(CASE WHEN status IN ('uploading', 'importing') THEN staged_size ELSE 0 END) AS BIGINT) AS staged").
		ColumnExpr("SUM(CASE WHEN status IN ('saving', 'uploading', 'importing') THEN 1 ELSE 0 END) AS uploading").
		Where("owner IN (?)", bun.List(owners)).Group("owner").Scan(ctx, &sums)
	if err != nil {
		return nil, err
	}
	out := map[string]Usage{}
	for _, u := range sums {
		out[u.Owner] = u
	}
	var rows []Image
	err = idb.NewSelect().Model(&rows).Column("owner", "status", "size", "locations", "reserved").
		Where("owner IN (?)", bun.List(owners)).Where("size > 0").
		Where("(locations LIKE '%},{%' OR reserved LIKE '%\"" + importingTo + "\":\"%' AND reserved NOT LIKE '%\"" + importingTo + "\":\"\"%')").Scan(ctx)
	for _, img := range rows {
		u := out[*img.Owner]
		if n := int64(len(img.Locations)); n > 1 {
			u.Stored += (n - 1) * *img.Size
		}
		if img.Reserved[importingTo] != "" && img.Status != "uploading" && img.Status != "importing" && img.Status != "saving" {
			u.Staged += *img.Size
			u.Uploading++
		}
		out[*img.Owner] = u
	}
	return out, err
}
