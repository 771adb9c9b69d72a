package snapshotlink_test

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"gostack/internal/cloudca"
	"gostack/internal/hostlink"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/nova/snapshotlink"
)

var ref = rpc.SnapshotRef{ServerID: "s", ImageID: "i"}

// link is a process that is control and a host.
func link(t *testing.T, self cloudca.Identity, receive snapshotlink.Receiver) *hostlink.Link {
	t.Helper()
	l := hostlink.New(hostlink.Options{Self: self})
	l.Handle(snapshotlink.Service, snapshotlink.Handler(receive))
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	return l
}

var both = cloudca.Identity{Control: true, Host: "host-1"}

func TestSend(t *testing.T) {
	const size = 50 << 20
	l := link(t, both, func(_ context.Context, host, server, image string, n int64, body io.Reader) (string, error) {
		if host != "host-1" || server != "s" || image != "i" || n != size {
			t.Errorf("%s sends %s of %s with %d bytes", host, image, server, n)
		}
		sum := sha512.New()
		got, err := io.Copy(sum, body)
		if got != size {
			t.Errorf("%d bytes came", got)
		}
		return hex.EncodeToString(sum.Sum(nil)), err
	})
	sum := sha512.New()
	stored, err := snapshotlink.Send(t.Context(), l, ref, size, io.TeeReader(io.LimitReader(zeros{}, size), sum))
	if err != nil || stored != hex.EncodeToString(sum.Sum(nil)) {
		t.Errorf("stored %q, %v", stored, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// What the receiver answers before it has read all reaches the sender: what it has already, and refusals.
func TestAnswerComesEarly(t *testing.T) {
	for _, x := range []struct {
		err  error
		want error
	}{
		{driver.Refuse(driver.CodeNotFound, "No image i is expected of instance s."), driver.ErrNotFound},
		{driver.Refuse(driver.CodeBadImage, "no"), driver.ErrBadImage},
		{nil, nil},
		{errors.New("the disk is broken"), nil},
	} {
		l := link(t, both, func(context.Context, string, string, string, int64, io.Reader) (string, error) { return "abc", x.err })
		stored, err := snapshotlink.Send(t.Context(), l, ref, 50<<20, io.LimitReader(zeros{}, 50<<20))
		switch {
		case x.err == nil:
			if err != nil || stored != "abc" {
				t.Errorf("%q, %v", stored, err)
			}
		case x.want != nil && !errors.Is(err, x.want) || err == nil || !strings.Contains(err.Error(), x.err.Error()):
			t.Errorf("%v came as %v", x.err, err)
		}
	}
}

func TestOnlyHostsSend(t *testing.T) {
	l := link(t, cloudca.Identity{Control: true}, func(context.Context, string, string, string, int64, io.Reader) (string, error) {
		t.Error("it was received")
		return "", nil
	})
	if _, err := snapshotlink.Send(t.Context(), l, ref, 1, strings.NewReader("x")); hostlink.Code(err) != hostlink.CodeForbidden {
		t.Errorf("no host: %v", err)
	}
}

// A sender that dies in the middle is a broken body to the receiver.
func TestSenderDies(t *testing.T) {
	seen := make(chan int64, 1)
	l := link(t, both, func(_ context.Context, _, _, _ string, size int64, body io.Reader) (string, error) {
		n, err := io.Copy(io.Discard, body)
		if n != size {
			err = errors.Join(err, io.ErrUnexpectedEOF)
		}
		seen <- n
		return "", err
	})
	ctx, cancel := context.WithCancel(t.Context())
	pipe, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := snapshotlink.Send(ctx, l, ref, 1<<20, pipe)
		done <- err
	}()
	if _, err := w.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = w.CloseWithError(context.Canceled)
	if err := <-done; err == nil {
		t.Error("the sender is content")
	}
	if n := <-seen; n > 1000 {
		t.Errorf("%d bytes came", n)
	}
}
