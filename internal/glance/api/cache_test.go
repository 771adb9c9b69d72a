package api_test

import "testing"

// Without a cache its API answers as upstream's, to administrators only.
func TestNoImageCache(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		const cache = "/image/v2/cache"
		id := c.create("member", body(""))
		for _, s := range [][2]string{{"GET", cache}, {"DELETE", cache}, {"PUT", cache + "/" + id}, {"DELETE", cache + "/" + id}, {"GET", cache + "/nodes/" + id}, {"POST", cache + "/clean"}, {"POST", cache + "/prune"}} {
			c.As("admin").Do(s[0], s[1], nil).Want(404).Says("Caching via API is not supported at this site.")
			c.As("member").Do(s[0], s[1], nil).Want(403)
		}
		c.As("admin").Put(cache+"/none", nil).Want(404).Says("Image none not found.")
	})
}
