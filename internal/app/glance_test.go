package app

import (
	"encoding/json"
	"testing"

	"gostack/internal/config"
)

// Glance asks Keystone for its limits when it is told to: nobody has anything before somebody has registered how much.
func TestGlanceObeysKeystonesLimits(t *testing.T) {
	wants := administered(t, "glance-api", func(c *config.Config) { c.Glance.Options = []string{"use_keystone_limits=true"} })
	const image = `{"disk_format": "raw", "container_format": "bare"}`
	wants(413, "Resource image_count_total is over limit of 0 due to current usage 0 and delta 1", "POST", "/image/v2/images", image)
	var list struct{ Services []struct{ ID string } }
	if err := json.Unmarshal([]byte(wants(200, "", "GET", "/identity/v3/services?type=image", "")), &list); err != nil || len(list.Services) != 1 {
		t.Fatal(err, list)
	}
	register := func(name, most string) {
		wants(201, name, "POST", "/identity/v3/registered_limits",
			`{"registered_limits": [{"service_id": "`+list.Services[0].ID+`", "resource_name": "`+name+`", "default_limit": `+most+`}]}`)
	}
	register("image_count_total", "1")
	register("image_size_total", "-1")
	wants(201, "queued", "POST", "/image/v2/images", image)
	wants(413, "is over limit of 1 due to current usage 1 and delta 1", "POST", "/image/v2/images", image)
	wants(200, `"image_count_total":{"usage":1,"limit":1}`, "GET", "/image/v2/info/usage", "")
	wants(200, `"image_size_total":{"usage":0,"limit":-1}`, "GET", "/image/v2/info/usage", "")
	wants(200, `"image_stage_total":{"usage":0,"limit":0}`, "GET", "/image/v2/info/usage", "")
}
