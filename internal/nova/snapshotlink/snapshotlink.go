// Package snapshotlink carries the images that servers become from hosts to the control side, over package hostlink.
//
// A stream is one image: its data from the host, then an answer. Memory does not grow with the image. Who sends is known by its
// certificate; whether that host may send that image is for the receiver to judge.
package snapshotlink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"gostack/internal/hostlink"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
)

// Service is the stream's name.
const Service = "nova-image-upload"

// header begins a stream.
type header struct {
	rpc.SnapshotRef
	Size int64 `json:"size"` // bytes that follow
}

// answer ends it.
type answer struct {
	SHA512  string      `json:"sha512,omitempty"`
	Code    driver.Code `json:"code,omitempty"`    // of a refusal
	Message string      `json:"message,omitempty"` // of a failure
}

// Receiver takes an image from a host and answers the SHA-512 of what it stored.
type Receiver func(ctx context.Context, host, server, image string, size int64, body io.Reader) (string, error)

// Handler serves hosts.
func Handler(receive Receiver) hostlink.Handler {
	return func(ctx context.Context, s *hostlink.Stream) error {
		var h header
		if err := s.Decode(&h); err != nil {
			return err
		}
		if s.Peer.Host == "" {
			return hostlink.Refuse(hostlink.CodeForbidden, "only hosts send images")
		}
		conn, err := s.Accept()
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
		var a answer
		a.SHA512, err = receive(ctx, s.Peer.Host, h.ServerID, h.ImageID, h.Size, io.LimitReader(conn, h.Size))
		if err != nil {
			a = answer{Code: driver.CodeOf(err), Message: err.Error()}
		}
		if err := json.NewEncoder(conn).Encode(a); err != nil {
			return err
		}
		// A connection closed over unread data would take the answer with it.
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		_, _ = io.Copy(io.Discard, conn)
		return nil
	}
}

// answerWithin is how long the receiver may take to store what it has got.
const answerWithin = 10 * time.Minute

// brokenWithin is how long a sender that cannot go on waits for the reason.
const brokenWithin = 10 * time.Second

// Send sends an image: size bytes of body. It returns the SHA-512 of what was stored; a refusal is a *driver.Fault. The receiver need not
// read all of body.
func Send(ctx context.Context, link *hostlink.Link, ref rpc.SnapshotRef, size int64, body io.Reader) (string, error) {
	conn, err := link.Dial(ctx, link.Control(), Service, header{ref, size})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	// The answer may come in the middle; then the rest is not wanted.
	var a answer
	read := make(chan error, 1)
	go func() {
		read <- json.NewDecoder(conn).Decode(&a)
		_ = conn.SetWriteDeadline(time.Unix(1, 0))
	}()
	_, sent := io.Copy(conn, body)
	if sent == nil {
		sent = hostlink.CloseWrite(conn)
	}
	wait := answerWithin
	if sent != nil {
		wait = brokenWithin
	}
	_ = conn.SetReadDeadline(time.Now().Add(wait)) // fails on a broken connection only, which the reader notices
	if err := <-read; err != nil {
		return "", errors.Join(sent, fmt.Errorf("no answer: %w", err), ctx.Err())
	}
	switch {
	case a.Code != "":
		return "", driver.Refuse(a.Code, "%s", a.Message)
	case a.Message != "":
		return "", errors.New(a.Message)
	}
	return a.SHA512, nil
}
