package nova

import (
	"context"
	"errors"
	"strings"
	"time"

	"gostack/internal/nova/driver"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// The operations that reach into a guest.
const (
	KindPassword = "nova.server.password" // PasswordState
	KindNMI      = "nova.server.nmi"      // NMIState
)

// PasswordState is what a change of password begins with. The password is forgotten when it is done or has failed.
type PasswordState struct {
	ServerID string `json:"server_id"`
	User     string `json:"user"`
	Password string `json:"password,omitempty"`
}

// NMIState is what a crash dump begins with.
type NMIState struct {
	ServerID string `json:"server_id"`
}

// PropAdminUser is the image property that names the administrator of a guest.
const PropAdminUser = "os_admin_user"

// passwordTimeout is how long the answer waits for the guest.
const passwordTimeout = time.Minute

// SetPassword has the guest's agent change the administrator's password, and returns when it has.
func (s *Service) SetPassword(ctx context.Context, c *policy.Caller, id, password string) error {
	operation, err := s.StartPassword(ctx, c, id, password)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	err = s.Operations.Wait(ctx, operation)
	switch {
	case err == nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return nil // it goes on; the action says what came of it
	case strings.Contains(err.Error(), "QEMU guest agent is not enabled"):
		return rest.Conflict("QEMU guest agent is not enabled").Because(err)
	}
	return rest.Conflict("Failed to set admin password on %s because error setting admin password", id).Because(err)
}

// StartPassword is SetPassword that does not wait for the end of the operation.
func (s *Service) StartPassword(ctx context.Context, c *policy.Caller, id, password string) (operation string, err error) {
	err = s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := Allowed(srv, "changePassword", Active); err != nil {
			return err
		}
		if !yes(srv.Image.Properties[driver.PropQGA]) {
			return rest.Conflict("QEMU guest agent is not enabled")
		}
		user := srv.Image.Properties[PropAdminUser]
		switch {
		case user != "":
		case srv.Image.Properties[driver.PropOSType] == "windows":
			user = "Administrator"
		default:
			user = "root"
		}
		err := s.beginOn(ctx, tx, c, srv, work{
			action: "changePassword", task: "updating_password", kind: KindPassword, state: PasswordState{ServerID: id, User: user, Password: password},
		})
		operation = deref(srv.OperationID)
		return err
	})
	return operation, err
}

// TriggerCrashDump sends a server an interrupt at which its kernel, when it is set up for it, dumps its memory.
func (s *Service) TriggerCrashDump(ctx context.Context, c *policy.Caller, id string) error {
	return s.change(ctx, c, id, func(ctx context.Context, tx store.Tx, srv *Server) error {
		if err := Allowed(srv, "trigger_crash_dump", Active, Paused, Rescued, Resized, InError); err != nil {
			return err
		}
		if srv.OperationID != nil {
			return rest.Conflict("Instance %s is busy.", id)
		}
		return s.beginOn(ctx, tx, c, srv, work{action: "trigger_crash_dump", kind: KindNMI, state: NMIState{ServerID: id}})
	})
}
