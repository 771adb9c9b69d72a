package glance

import (
	"context"
	"crypto/md5" //nolint:gosec // the API's checksum is MD5
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"sync/atomic"
)

// The pipe that data streams through: its memory is chunks times chunkSize, however long the stream is.
const (
	chunkSize = 1 << 20
	chunks    = 6
)

var (
	errTooLong     = errors.New("the data is longer than allowed")
	errInterrupted = errors.New("the data stopped coming")
)

// sums are the hashes of a stream.
type sums struct {
	Size        int64
	MD5, SHA512 string // hexadecimal
}

type chunk struct {
	data []byte
	refs atomic.Int32
}

// ingest copies r to w and hashes it on the way. Reading, writing and the hashes run side by side, a few chunks apart. An
// error of r or w, of check (asked after each chunk is written), or the end of ctx ends it.
func ingest(ctx context.Context, r io.Reader, w io.Writer, limit int64, check func() error) (sums, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	free := make(chan *chunk, chunks)
	for range chunks {
		free <- &chunk{data: make([]byte, chunkSize)}
	}
	hashes := []hash.Hash{md5.New(), sha512.New()} //nolint:gosec // see above
	consumers := []func(p []byte) error{
		func(p []byte) error {
			if _, err := w.Write(p); err != nil {
				return err
			}
			return check()
		},
	}
	for _, h := range hashes {
		consumers = append(consumers, func(p []byte) error { h.Write(p); return nil })
	}
	queues := make([]chan *chunk, len(consumers))
	var wg sync.WaitGroup
	for n, consume := range consumers {
		queues[n] = make(chan *chunk, chunks)
		wg.Go(func() {
			for c := range queues[n] {
				if ctx.Err() == nil {
					if err := consume(c.data); err != nil {
						cancel(err)
					}
				}
				if c.refs.Add(-1) == 0 {
					c.data = c.data[:cap(c.data)]
					free <- c
				}
			}
		})
	}
	size, err := read(ctx, r, limit, free, queues)
	for _, q := range queues {
		close(q)
	}
	wg.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return sums{}, err
	}
	return sums{size, hex.EncodeToString(hashes[0].Sum(nil)), hex.EncodeToString(hashes[1].Sum(nil))}, nil
}

// read fills chunks from r and hands each to all queues.
func read(ctx context.Context, r io.Reader, limit int64, free chan *chunk, queues []chan *chunk) (size int64, err error) {
	for {
		var c *chunk
		select {
		case c = <-free:
		case <-ctx.Done():
			return size, context.Cause(ctx)
		}
		n, err := fill(r, c.data)
		if size += int64(n); size > limit {
			return size, errTooLong
		}
		if n > 0 {
			c.data = c.data[:n]
			c.refs.Store(int32(len(queues)))
			for _, q := range queues {
				q <- c
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return size, nil
		case err != nil:
			return size, interrupted(err)
		}
	}
}

func interrupted(err error) error { return fmt.Errorf("%w: %w", errInterrupted, err) }

// fill reads until p is full or r has nothing more. Unlike io.ReadFull it keeps io.EOF and a broken connection's
// io.ErrUnexpectedEOF apart.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}
