package nova

import (
	"context"
	"net/http"
	"slices"

	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// powerRule says when a power action may be asked for, and what the server's task is meanwhile.
type powerRule struct {
	from []string
	task string
}

// powerRules are upstream's (nova/compute/api.py, check_instance_state).
var powerRules = map[PowerAction]powerRule{
	ActStart:   {[]string{Stopped}, "powering-on"},
	ActStop:    {[]string{Active, InError}, "powering-off"},
	ActReboot:  {[]string{Active}, "rebooting"},
	ActPause:   {[]string{Active}, "pausing"},
	ActUnpause: {[]string{Paused}, "unpausing"},
	ActSuspend: {[]string{Active}, "suspending"},
	ActResume:  {[]string{Suspended}, "resuming"},
}

var hardReboot = powerRule{[]string{Active, Stopped, Paused, Suspended, InError}, "rebooting_hard"}

// rebootBeats are the tasks that a hard reboot takes over from when they hang (nova/compute/task_states.py, ALLOW_REBOOT).
var rebootBeats = []string{"rebooting", "rebooting_hard", "pausing", "unpausing", "suspending", "resuming"}

// Power starts a power action on a server that the caller has been allowed to act on.
func (s *Service) Power(ctx context.Context, c *policy.Caller, id string, action PowerAction, reboot driver.RebootKind) error {
	rule := powerRules[action]
	if reboot == driver.RebootHard {
		rule = hardReboot
	}
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		supersede := reboot == driver.RebootHard && slices.Contains(rebootBeats, srv.TaskState)
		now := *srv
		if supersede {
			now.TaskState = ""
		}
		if err := Allowed(&now, string(action), rule.from...); err != nil {
			return err
		}
		// A server that was never placed may be ERROR; nobody could carry this out (upstream's check_instance_host).
		if srv.Host == "" {
			return rest.Conflict("Instance %s is not ready", srv.ID)
		}
		return s.beginOn(ctx, tx, c, srv, work{
			action: string(action), task: rule.task, kind: KindPower, state: PowerState{ServerID: id, Action: action, Reboot: reboot}, supersede: supersede,
		})
	})
}

// change reads a server anew in a transaction, refuses when it is locked for the caller, and lets fn change it. What before refuses is refused
// even before the lock is looked at.
func (s *Service) change(ctx context.Context, c *policy.Caller, id string, fn func(ctx context.Context, tx store.Tx, srv *Server) error, before ...func(*Server) error) error {
	return s.changeLocked(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		for _, refused := range append(before, func(srv *Server) error { return Unlocked(c, srv) }) {
			if err := refused(srv); err != nil {
				return err
			}
		}
		return fn(ctx, tx, srv)
	})
}

// changeLocked is change for what a lock does not forbid.
func (s *Service) changeLocked(ctx context.Context, c *policy.Caller, id string, fn func(ctx context.Context, tx store.Tx, srv *Server) error) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		srv, err := s.serverFor(ctx, tx, c, id)
		if err != nil {
			return err
		}
		return fn(ctx, tx, srv)
	})
}

// Unlocked refuses what a lock forbids to its owner's project; administrators are not bound by it.
func Unlocked(c *policy.Caller, srv *Server) error {
	if srv.LockedBy != "" && !c.IsAdmin() {
		return rest.Conflict("Instance %s is locked", srv.ID)
	}
	return nil
}

// Allowed refuses an action unless the server is in one of the vm_states (none: any), no task is under way, and it has run once.
func Allowed(srv *Server, action string, vmStates ...string) error {
	if len(vmStates) > 0 && !slices.Contains(vmStates, srv.VMState) {
		return InvalidState(srv, action, "vm_state", srv.VMState)
	}
	if srv.TaskState != "" {
		return InvalidState(srv, action, "task_state", srv.TaskState)
	}
	if srv.LaunchedAt == nil && len(vmStates) > 0 {
		return rest.Conflict("Instance %s is in an invalid state for '%s'", srv.ID, action)
	}
	return nil
}

// InvalidState is the refusal of an action that the server's state does not permit.
func InvalidState(srv *Server, action, attribute, state string) error {
	return rest.Fail(http.StatusConflict, "Cannot '%s' instance %s while it is in %s %s", action, srv.ID, attribute, state)
}

// lockOf is whose lock a caller's is: one of the server's project's own, whatever their roles, or an administrator's (nova/compute/api.py, lock).
func lockOf(c *policy.Caller, srv *Server) string {
	if c.ProjectID == srv.ProjectID {
		return "owner"
	}
	return "admin"
}

// OwnLock tells whether a server's lock, if there is one, is the caller's to lift; another's wants the right to override it.
func OwnLock(c *policy.Caller, srv *Server) bool {
	return srv.LockedBy == "" || srv.LockedBy == lockOf(c, srv)
}

// Lock locks a server against its project's users. To its own project a lock that there is stays as it is, reason and all; somebody else's takes its place.
func (s *Service) Lock(ctx context.Context, c *policy.Caller, id string, reason *string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		srv, err := s.serverFor(ctx, tx, c, id)
		if err != nil {
			return err
		}
		by := lockOf(c, srv)
		if srv.LockedBy != "" && by == "owner" {
			return nil
		}
		srv.LockedBy = by
		if reason != nil {
			srv.LockedReason = reason
		}
		if err := s.noteAction(ctx, tx, c, srv, "lock", nil); err != nil {
			return err
		}
		return db.UpdateServer(ctx, tx, srv, "locked_by", "locked_reason")
	})
}

// Unlock lifts a lock. Whether the caller may lift somebody else's has been asked before.
func (s *Service) Unlock(ctx context.Context, c *policy.Caller, id string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		srv, err := s.serverFor(ctx, tx, c, id)
		if err != nil {
			return err
		}
		srv.LockedBy, srv.LockedReason = "", nil
		if err := s.noteAction(ctx, tx, c, srv, "unlock", nil); err != nil {
			return err
		}
		return db.UpdateServer(ctx, tx, srv, "locked_by", "locked_reason")
	})
}

// DeleteOrKeep deletes a server, or, where deleted servers can be restored for some time, turns it off for that time
// (upstream's reclaim_instance_interval).
func (s *Service) DeleteOrKeep(ctx context.Context, c *policy.Caller, id string) error {
	if s.Config.ReclaimInterval <= 0 {
		return s.Delete(ctx, c, id)
	}
	return s.softDelete(ctx, c, id)
}

// Delete starts the deletion of a server, whatever is under way on it: deletion beats everything. Asked again, it finds itself at work.
func (s *Service) Delete(ctx context.Context, c *policy.Caller, id string) error {
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if srv.TaskState == TaskDeleting {
			return nil
		}
		return s.beginOn(ctx, tx, c, srv, work{action: "delete", task: TaskDeleting, kind: KindDelete, state: DeleteState{ServerID: id}, supersede: true})
	})
}

// TaskDeleting is the task_state of a server that is being deleted.
const TaskDeleting = "deleting"

// ChangeSecurityGroup adds a security group to a server's ports, or removes it. Neither a lock nor the server's state forbids it, as upstream's asks Neutron
// and nobody else.
func (s *Service) ChangeSecurityGroup(ctx context.Context, c *policy.Caller, srv *Server, group string, add bool) error {
	return s.Groups.Change(ctx, c, srv.ID, group, add)
}
