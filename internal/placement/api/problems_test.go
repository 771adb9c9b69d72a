package api_test

import (
	"strings"
	"testing"
)

// What clients are told of a request that is no good is what upstream tells them (placement/tests/functional/gabbits), but for the schema itself.
func TestProblemsReadLikeUpstreams(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "", "VCPU", 8)
		for _, test := range []struct {
			method, path string
			minor        int
			body         any
			says         []string
		}{
			{"POST", "/resource_providers", 39, map[string]any{"name": strings.Repeat("x", 201)}, []string{"JSON does not validate: 'xxx", "Failed validating 'maxLength'"}},
			{"POST", "/resource_providers", 39, map[string]any{"name": "x", "uuid": "no"}, []string{"JSON does not validate: 'no' is not a 'uuid'", "Failed validating 'format'"}},
			{"POST", "/resource_providers", 13, map[string]any{"name": "x", "parent_provider_uuid": rp1}, []string{"Additional properties are not allowed ('parent_provider_uuid' was unexpected)"}},
			{"POST", "/resource_providers", 39, `{"foo": }`, []string{"Malformed JSON:"}},
			{"PUT", "/resource_providers/" + rp1 + "/traits", 39, map[string]any{"traits": []string{}}, []string{"JSON does not validate: 'resource_provider_generation' is a required property"}},
			{"PUT", "/allocations/" + con1, 12, map[string]any{
				"project_id": "p", "user_id": "u", "allocations": map[string]any{"nice_house_friend": map[string]any{"resources": map[string]any{"VCPU": 1}}},
			}, []string{"JSON does not validate: 'nice_house_friend' does not match any of the regexes: "}},
			{"GET", "/allocation_candidates?resources=VCPU:1&limit=cow", 16, nil, []string{"Invalid query string parameters: 'cow' does not match", "Failed validating 'pattern'"}},
			{"GET", "/allocation_candidates?resources01=VCPU:1", 25, nil, []string{"Invalid query string parameters: 'resources01' does not match any of the regexes"}},
			{"GET", "/allocation_candidates?resources=MCPU:99", 10, nil, []string{"Invalid resource class in resources parameter: No such resource class MCPU."}},
			{"GET", "/allocation_candidates?resources=VCPU:1&group_policy=bogus", 25, nil, []string{"'bogus' is not one of ['none', 'isolate']"}},
			{"GET", "/usages?project_id=", 9, nil, []string{"Failed validating 'minLength'"}},
		} {
			answer := c.at(test.minor).Do(test.method, "/placement"+test.path, test.body).Want(400)
			for _, text := range test.says {
				answer.Says(text)
			}
		}
		c.latest().Get("/placement/resource_providers/").Want(404) // a path is what it is
	})
}

// The versions document refuses a version like any other answer, and who takes no JSON gets a page or a text.
func TestProblemsForThoseWhoTakeNoJSON(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		anybody := c.As("none")
		if vary := anybody.Get("/placement/").Want(200).Header.Get("Vary"); vary != "openstack-api-version" {
			t.Errorf("Vary: %s", vary)
		}
		anybody.At("placement 0.5").Get("/placement/").Want(406).Says("Unacceptable version header: 0.5").Has("errors.0.max_version", "1.39")
		anybody.At("placement pony.horse").Get("/placement/").Want(400).Says("invalid version string: pony.horse")
		for accept, contentType := range map[string]string{
			"text/html": "text/html; charset=UTF-8", "text/plain": "text/plain; charset=UTF-8", "application/json": "application/json", "*/*": "application/json",
		} {
			answer := c.latest().With("Accept", accept).Get("/placement/no<b>where").Want(404).Says("The resource could not be found.")
			if got := answer.Header.Get("Content-Type"); got != contentType {
				t.Errorf("for %s: %s", accept, got)
			}
		}
	})
}
