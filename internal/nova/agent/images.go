package agent

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"gostack/internal/bus"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
)

// ImageSink takes the data of an image that a server of this host becomes: size bytes of body. It answers the SHA-512 of what the image
// service has stored, in hexadecimal; when it has the image already it need not read body.
type ImageSink func(ctx context.Context, ref rpc.SnapshotRef, size int64, body io.Reader) (sha512 string, err error)

// ends are the changes that a method puts an end to instead of waiting for them.
var ends = map[string][]string{rpc.DropSnapshot: {rpc.Snapshot, rpc.UploadSnapshot}}

// imageHandlers serve the calls of rpc's images.go.
func (a *Agent) imageHandlers() bus.Handlers {
	d := a.Driver
	return bus.Handlers{
		rpc.Snapshot: change(a, func(ctx context.Context, s rpc.SnapshotArgs) error {
			return d.Snapshot(ctx, s.ServerID, s.ImageID, s.Quiesce)
		}),
		rpc.UploadSnapshot: change(a, a.upload),
		rpc.DropSnapshot:   change(a, func(ctx context.Context, s rpc.SnapshotRef) error { return d.DropSnapshot(ctx, s.ServerID, s.ImageID) }),
		rpc.RenewDisks:     change(a, func(ctx context.Context, r rpc.RenewArgs) error { return d.RenewDisks(ctx, r.Spec, r.KeepEphemeral) }),
		rpc.DropRescue:     change(a, func(ctx context.Context, r rpc.ServerRef) error { return d.DropRescue(ctx, r.ServerID) }),
		rpc.InjectNMI:      change(a, func(ctx context.Context, r rpc.ServerRef) error { return d.InjectNMI(ctx, r.ServerID) }),
		rpc.SetPassword: change(a, func(ctx context.Context, p rpc.PasswordArgs) error {
			return d.SetPassword(ctx, p.ServerID, p.User, p.Password)
		}),
	}
}

// upload sends a snapshot to the image service and compares what has arrived there with what was read here.
func (a *Agent) upload(ctx context.Context, s rpc.SnapshotRef) error {
	if a.Images == nil {
		return driver.Refuse(driver.CodeUnsupported, "This host has no way to the image service.")
	}
	file, size, err := a.Driver.OpenSnapshot(ctx, s.ServerID, s.ImageID)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha512.New()
	body := io.TeeReader(cancelled{ctx, file}, sum)
	stored, err := a.Images(ctx, s, size, body)
	if err != nil {
		return fmt.Errorf("upload image %s: %w", s.ImageID, err)
	}
	// What the other side has not read it had already.
	if _, err := io.Copy(io.Discard, body); err != nil {
		return fmt.Errorf("read snapshot %s: %w", s.ImageID, err)
	}
	if here := hex.EncodeToString(sum.Sum(nil)); here != stored {
		return &driver.Fault{
			Code: driver.CodeBadImage, Message: fmt.Sprintf("Image %s is not what was sent", s.ImageID), Cause: errors.New("sent sha512 " + here + ", stored " + stored),
		}
	}
	return nil
}

// cancelled ends reading with its context.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
