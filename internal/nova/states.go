package nova

import (
	"slices"
	"strings"

	"gostack/internal/nova/db"
)

// The vm_states of a server.
const (
	Active           = "active"
	Building         = "building"
	Paused           = "paused"
	Suspended        = "suspended"
	Stopped          = "stopped"
	Rescued          = "rescued"
	Resized          = "resized"
	SoftDeleted      = "soft-delete"
	Deleted          = "deleted"
	InError          = "error"
	Shelved          = "shelved"
	ShelvedOffloaded = "shelved_offloaded"
)

// statusOf says what the API calls each vm_state, and what it calls it while some task is under way
// (the table of nova/api/openstack/common.py).
var statusOf = []struct {
	vm, status string
	tasks      map[string]string
}{
	{Active, "ACTIVE", map[string]string{
		"rebooting": "REBOOT", "reboot_pending": "REBOOT", "reboot_started": "REBOOT",
		"rebooting_hard": "HARD_REBOOT", "reboot_pending_hard": "HARD_REBOOT", "reboot_started_hard": "HARD_REBOOT",
		"updating_password": "PASSWORD",
		"rebuilding":        "REBUILD", "rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD",
		"migrating":   "MIGRATING",
		"resize_prep": "RESIZE", "resize_migrating": "RESIZE", "resize_migrated": "RESIZE", "resize_finish": "RESIZE",
	}},
	{Building, "BUILD", nil},
	{Stopped, "SHUTOFF", map[string]string{
		"resize_prep": "RESIZE", "resize_migrating": "RESIZE", "resize_migrated": "RESIZE", "resize_finish": "RESIZE",
		"rebuilding": "REBUILD", "rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD",
	}},
	{Resized, "VERIFY_RESIZE", map[string]string{"resize_reverting": "REVERT_RESIZE"}},
	{Paused, "PAUSED", map[string]string{"migrating": "MIGRATING"}},
	{Suspended, "SUSPENDED", nil},
	{Rescued, "RESCUE", nil},
	{InError, "ERROR", map[string]string{"rebuilding": "REBUILD", "rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD"}},
	{Deleted, "DELETED", nil},
	{SoftDeleted, "SOFT_DELETED", nil},
	{Shelved, "SHELVED", nil},
	{ShelvedOffloaded, "SHELVED_OFFLOADED", nil},
}

// Status is what the API calls a server's state.
func Status(vmState, taskState string) string {
	for _, st := range statusOf {
		if st.vm == vmState {
			if s, ok := st.tasks[taskState]; ok {
				return s
			}
			return st.status
		}
	}
	return "UNKNOWN"
}

// StatesOf are the states that the API calls status, in any case; none for a word it does not use.
func StatesOf(status string) (states []StateCondition) {
	status = strings.ToUpper(status)
	for _, st := range statusOf {
		if st.status == status {
			plain := db.State{VM: st.vm}
			if len(st.tasks) > 0 {
				plain.NotTasks = keys(st.tasks)
			}
			states = append(states, plain)
		}
		var tasks []string
		for task, s := range st.tasks {
			if s == status {
				tasks = append(tasks, task)
			}
		}
		if tasks != nil {
			slices.Sort(tasks)
			states = append(states, db.State{VM: st.vm, Tasks: tasks})
		}
	}
	return states
}

func keys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
