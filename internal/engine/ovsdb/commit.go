package ovsdb

import (
	"context"
	"errors"
	"fmt"

	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// maxBatch bounds the operations that share one transaction.
const maxBatch = 2000

// commit is the operations of one caller on their way to the server.
type commit struct {
	ctx  context.Context
	ops  []Op
	done chan error
}

// Transact commits the operations wholly or not at all. Callers that wait at the same time share one transaction; when that fails, each
// is tried alone, so nobody suffers from another's mistake. When Transact returns nil the replica shows the change.
//
// Operations refer to rows by real UUIDs only (also new rows: Insert takes the UUID from the row); named UUIDs would clash.
func (c *Client) Transact(ctx context.Context, ops ...Op) error {
	if len(ops) == 0 {
		return nil
	}
	m := &commit{ctx: ctx, ops: ops, done: make(chan error, 1)}
	select {
	case c.queue <- m:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ctx.Done():
		return ErrClosed
	}
	select {
	case err := <-m.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ctx.Done():
		return ErrClosed
	}
}

func (c *Client) commitLoop() {
	defer c.done.Done()
	for {
		var batch []*commit
		select {
		case m := <-c.queue:
			batch = append(batch, m)
		case <-c.ctx.Done():
			return
		}
		for n := len(batch[0].ops); n < maxBatch; {
			select {
			case m := <-c.queue:
				batch = append(batch, m)
				n += len(m.ops)
				continue
			default:
			}
			break
		}
		c.flush(batch)
	}
}

// flush commits a batch together or, if that is refused, one by one.
func (c *Client) flush(batch []*commit) {
	live := batch[:0]
	for _, m := range batch {
		if err := m.ctx.Err(); err != nil {
			m.done <- err
			continue
		}
		live = append(live, m)
	}
	if len(live) > 1 {
		var all []Op
		for _, m := range live {
			all = append(all, m.ops...)
		}
		// The shared transaction has the longest-waiting caller's deadline.
		results, err := c.send(live[0].ctx, all)
		if err == nil && refused(results, all) == nil {
			for _, m := range live {
				m.done <- stale(results[:len(m.ops)], m.ops)
				results = results[len(m.ops):]
			}
			return
		}
	}
	for _, m := range live {
		results, err := c.send(m.ctx, m.ops)
		if err == nil {
			err = refused(results, m.ops)
		}
		if err == nil {
			err = stale(results, m.ops)
		}
		m.done <- err
	}
}

// send does one round trip. A connection that breaks during it leaves the outcome unknown: the caller's operations are idempotent, and
// it computes them again.
func (c *Client) send(ctx context.Context, ops []Op) ([]ovsdb.OperationResult, error) {
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	results, err := s.api.Transact(ctx, ops...)
	if err != nil {
		if ctx.Err() == nil {
			if errors.Is(err, client.ErrNotConnected) {
				s.lose()
			}
			return nil, fmt.Errorf("%w: %w", ErrStale, err)
		}
		return nil, err
	}
	return results, nil
}

// refused finds the operation for which the server rejected the transaction.
func refused(results []ovsdb.OperationResult, ops []Op) error {
	for i, r := range results {
		if r.Error == "" {
			continue
		}
		e := &CommitError{Op: "commit", Kind: r.Error, Details: r.Details}
		if i < len(ops) {
			e.Op = describe(ops[i])
		}
		// "timed out": a wait did not hold. Duplicate row UUIDs and index clashes: somebody was faster, or we did not see it yet.
		if r.Error == "timed out" || r.Error == "constraint violation" || r.Error == "duplicate uuid" || r.Error == "duplicate uuid-name" {
			return errors.Join(ErrStale, e)
		}
		return e
	}
	if len(results) < len(ops) {
		return &CommitError{Op: "commit", Kind: "incomplete answer"}
	}
	return nil
}

// stale finds a change that met no row.
func stale(results []ovsdb.OperationResult, ops []Op) error {
	for i, op := range ops {
		if (op.Op == ovsdb.OperationUpdate || op.Op == ovsdb.OperationMutate) && results[i].Count == 0 {
			return fmt.Errorf("%w: %s met no row", ErrStale, describe(op))
		}
	}
	return nil
}
