package dump

import (
	"context"
	"fmt"
	"io"

	"gostack/internal/secret"
)

// Archived is the database in an archive that was read through before: its manifest is known, and reopen gives the archive from its beginning.
type Archived struct {
	Manifest   *Manifest
	Reopen     func() (io.ReadCloser, error)
	Passphrase secret.String
}

// Each implements Source. Tables come as they lie in the archive, those without rows last.
func (a *Archived) Each(ctx context.Context, table func(*Table, int64, func(func(Row) error) (Sum, error)) error) error {
	r, err := a.Reopen()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	known, done := map[string]*ArchivedTable{}, map[string]bool{}
	for i := range a.Manifest.Tables {
		known[a.Manifest.Tables[i].Name] = &a.Manifest.Tables[i]
	}
	p := newPump()
	defer p.end()
	go func() {
		_, err := Read(r, a.Passphrase, Visitor{Row: p.push})
		p.finish(err)
	}()
	for {
		name, ok, err := p.table()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		t := known[name]
		if t == nil || done[name] {
			return fmt.Errorf("%w: table %s is not in its manifest, or comes twice", ErrDamaged, name)
		}
		done[name] = true
		if err := table(&t.Table, t.Next, p.rows(ctx, t)); err != nil {
			return err
		}
	}
	for i := range a.Manifest.Tables {
		t := &a.Manifest.Tables[i]
		if done[t.Name] {
			continue
		}
		if err := table(&t.Table, t.Next, func(func(Row) error) (Sum, error) { return t.Sum, nil }); err != nil {
			return err
		}
	}
	return nil
}

// pump turns the archive's calls into a stream that is asked table by table.
type pump struct {
	lines chan pumped
	stop  chan struct{}
	ahead *pumped // the first line of the next table
}

type pumped struct {
	table string
	line  []byte
	err   error
	last  bool
}

func newPump() *pump { return &pump{lines: make(chan pumped, 256), stop: make(chan struct{})} }

func (p *pump) push(table string, line []byte) error {
	select {
	case p.lines <- pumped{table: table, line: append([]byte(nil), line...)}:
		return nil
	case <-p.stop:
		return io.ErrClosedPipe
	}
}

func (p *pump) finish(err error) {
	select {
	case p.lines <- pumped{err: err, last: true}:
	case <-p.stop:
	}
}

func (p *pump) end() { close(p.stop) }

// table returns the name of the table whose rows come next.
func (p *pump) table() (string, bool, error) {
	if p.ahead == nil {
		next := <-p.lines
		p.ahead = &next
	}
	if p.ahead.last {
		return "", false, p.ahead.err
	}
	return p.ahead.table, true, nil
}

// rows gives the rows of the table that comes next, and their sum as the manifest has it: Load compares it with what it has written.
func (p *pump) rows(ctx context.Context, t *ArchivedTable) func(func(Row) error) (Sum, error) {
	return func(fn func(Row) error) (Sum, error) {
		for n := 0; ; n++ {
			l := p.ahead
			if l == nil {
				next := <-p.lines
				l = &next
			}
			p.ahead = nil
			if l.last || l.table != t.Name {
				p.ahead = l
				return t.Sum, l.err
			}
			row, err := decode(&t.Table, l.line)
			if err == nil {
				err = fn(row)
			}
			if err == nil && n%1000 == 0 {
				err = ctx.Err()
			}
			if err != nil {
				return Sum{}, err
			}
		}
	}
}
