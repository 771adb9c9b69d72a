// Package imagelink brings the data of images from control to hosts over hostlink.
//
// Control gives a host the data of an image only for a ticket that it has put itself into its call to that host; a ticket is for one host, one
// image and an hour or two. A stream that breaks is taken up where it broke. Neither side keeps more in memory than a buffer.
package imagelink

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"gostack/internal/cloudca"
	"gostack/internal/hostlink"
	"gostack/internal/nova/driver"
	"gostack/internal/rest"
)

// Service is its name on hostlink, and in tickets.
const Service = "image"

// header is what a host asks for.
type header struct {
	Image  string `json:"image"`
	Offset int64  `json:"offset,omitempty"` // octets from the beginning that it has
	Ticket string `json:"ticket"`
}

// opened is what control answers.
type opened struct {
	Size int64 `json:"size"` // of the whole image
}

// Data opens the data of an image, which Glance has.
type Data func(ctx context.Context, id string) (io.ReadSeekCloser, int64, error)

// Roots are what tickets are verified with.
type Roots func(ctx context.Context) (*cloudca.Roots, error)

// Serve answers hosts on control's link. now is the time by which tickets expire.
func Serve(link *hostlink.Link, roots Roots, now func() time.Time, data Data) {
	link.Handle(Service, func(ctx context.Context, s *hostlink.Stream) error {
		var h header
		if err := s.Decode(&h); err != nil {
			return err
		}
		r, err := roots(ctx)
		if err != nil {
			return err
		}
		if err := r.CheckTicket(h.Ticket, now(), Service, h.Image, s.Peer.Host); err != nil {
			return hostlink.Refuse(hostlink.CodeForbidden, "image %s is not for %s: %v", h.Image, s.Peer, err)
		}
		src, size, err := data(ctx, h.Image)
		if rest.IsNotFound(err) {
			return hostlink.Refuse(hostlink.CodeNotFound, "image %s has no data", h.Image)
		}
		if err != nil {
			return err
		}
		defer src.Close()
		if h.Offset < 0 || h.Offset > size {
			return hostlink.Refuse(hostlink.CodeBad, "image %s has %d octets, not %d", h.Image, size, h.Offset)
		}
		if _, err := src.Seek(h.Offset, io.SeekStart); err != nil {
			return err
		}
		conn, err := s.AcceptWith(opened{size})
		if err != nil {
			return err
		}
		stop := watch(conn)
		defer stop()
		_, err = io.CopyBuffer(writerOnly{idle{conn}}, src, make([]byte, buffer))
		return err
	})
}

// buffer is what one stream keeps in memory.
const buffer = 256 << 10

// idleTime is how long a stream may stand still.
const idleTime = 2 * time.Minute

// idle ends a stream that nobody takes from or gives to.
type idle struct{ net.Conn }

func (i idle) Write(p []byte) (int, error) {
	_ = i.SetWriteDeadline(time.Now().Add(idleTime))
	return i.Conn.Write(p)
}

func (i idle) Read(p []byte) (int, error) {
	_ = i.SetReadDeadline(time.Now().Add(idleTime))
	return i.Conn.Read(p)
}

type writerOnly struct{ io.Writer } // hides ReadFrom

// watch closes a stream whose host has gone, even while nothing is written.
func watch(conn net.Conn) func() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, conn)
	}()
	return func() {
		_ = conn.Close()
		<-done
	}
}

// Source opens images' data on a host. It is a driver.ImageSource.
func Source(link *hostlink.Link) driver.ImageSource {
	return func(ctx context.Context, image driver.Image) (io.ReadCloser, error) {
		r := &reader{ctx: ctx, link: link, image: image, size: -1}
		return r, r.open()
	}
}

// reader is one image on its way. It goes on after a cut.
type reader struct {
	ctx   context.Context
	link  *hostlink.Link
	image driver.Image
	conn  net.Conn
	at    int64
	size  int64
}

func (r *reader) open() error {
	var o opened
	conn, err := r.link.DialInto(r.ctx, r.link.Control(), Service, header{r.image.ID, r.at, r.image.Ticket}, &o)
	if err != nil {
		return err
	}
	if r.size >= 0 && o.Size != r.size {
		_ = conn.Close()
		return hostlink.Refuse(hostlink.CodeBad, "image %s had %d octets and now has %d", r.image.ID, r.size, o.Size)
	}
	r.conn, r.size = conn, o.Size
	return nil
}

// tries is how often a cut stream is taken up again without a single octet in between.
const tries = 6

func (r *reader) Read(p []byte) (int, error) {
	var cut error
	for try := 0; ; try++ {
		if r.at == r.size {
			return 0, io.EOF
		}
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		if r.conn != nil {
			n, err := idle{r.conn}.Read(p[:min(int64(len(p)), r.size-r.at)])
			r.at += int64(n)
			cut = err
			if n > 0 {
				return n, nil
			}
			_ = r.conn.Close()
			r.conn = nil
		}
		if try >= tries {
			return 0, fmt.Errorf("image %s is cut at %d of %d octets: %w", r.image.ID, r.at, r.size, cut)
		}
		if err := wait(r.ctx, time.Second<<min(try, 4)-time.Second); err != nil {
			return 0, err
		}
		if err := r.open(); err != nil {
			cut = err
			if code := hostlink.Code(err); code != "" && code != hostlink.CodeFailed && code != hostlink.CodeBusy {
				return 0, err
			}
		}
	}
}

func wait(ctx context.Context, t time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(t):
		return nil
	}
}

func (r *reader) Close() error {
	if r.conn == nil {
		return nil
	}
	return r.conn.Close()
}
