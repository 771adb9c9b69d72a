package api

import (
	"slices"
	"strings"

	"gostack/internal/rest"
)

// lastVolumesBoot is the last microversion in which servers answer under their old second name.
var lastVolumesBoot = rest.V(2, 102)

// volumesBootActions are the actions that the controller of servers has itself; those of extensions were never under the second name.
var volumesBootActions = []string{"confirmResize", "revertResize", "reboot", "resize", "rebuild", "createImage", "os-start", "os-stop", "trigger_crash_dump"}

// volumesBoot declares servers once more as os-volumes_boot, which was the way to boot from volumes before servers learnt it.
func volumesBoot(routes []rest.Route) (again []rest.Route) {
	for _, r := range routes {
		tail, found := strings.CutPrefix(r.Path, "/servers")
		own := tail == "" || tail == "/detail" || tail == "/{server_id}" || tail == "/{server_id}/action" && slices.Contains(volumesBootActions, r.Action)
		if !found || !own || lastVolumesBoot.Less(r.Min) {
			continue
		}
		r.Path = "/os-volumes_boot" + tail
		if r.Max.IsZero() || lastVolumesBoot.Less(r.Max) {
			r.Max = lastVolumesBoot
		}
		again = append(again, r)
	}
	return again
}
