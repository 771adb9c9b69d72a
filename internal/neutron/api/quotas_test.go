package api_test

import (
	"strings"
	"testing"

	"gostack/internal/rest/resttest"
)

// TestQuotasAreReadable: everybody reads the quota of the project they are in, dashboards do; that of another is the administrator's.
func TestQuotasAreReadable(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		for persona, caller := range resttest.Personas {
			for _, tail := range []string{"", "/default", "/default.json", "/details", "/details.json"} {
				a := c.as(t, persona)
				if caller.ProjectID != "" {
					a.Get(v2 + "/quotas/" + caller.ProjectID + tail).Want(200)
				}
				answer := a.Get(v2 + "/quotas/project-7" + tail)
				switch {
				case persona == "admin":
					answer.Want(200)
				case strings.HasPrefix(tail, "/details"):
					answer.Want(403).Has("NeutronError.type", "AdminRequired").Says("User does not have admin privileges: Only admin is authorized to access quotas for another tenant.")
				default:
					answer.Want(403).Has("NeutronError.type", "PolicyNotAuthorized")
				}
			}
		}
	})
}
