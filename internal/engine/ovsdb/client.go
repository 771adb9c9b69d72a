// Package ovsdb is a thin client of OVSDB servers (RFC 7047): OVN's Northbound and Southbound databases and a host's Open vSwitch.
//
// It owns the connection: it reconnects for ever, keeps a complete replica of the tables it is told to follow, tells
// subscribers which rows changed, and commits the operations of callers that wait together in one transaction.
// Rows are typed structs (sub-packages nb, sb, vswitch). It knows nothing of what the rows mean.
package ovsdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// Row is a typed row: a pointer to a struct with `ovsdb` tags, the first of them `_uuid`.
type Row interface {
	TableName() string
}

// Table is a table to follow.
type Table struct {
	Row Row
	// ExternalIDIndex indexes the rows by the value of this key of external_ids; see ByExternalID.
	ExternalIDIndex string
	// MoreIndexes are further keys of external_ids; see ByKey.
	MoreIndexes []string
	// Unfollowed are columns of Row that are written but not replicated: large sets of references nobody reads. They stay empty in
	// rows that are read; use Select for a rare look.
	Unfollowed []string
}

// Config says what to connect to.
type Config struct {
	Database  string   // nb.Database, ...
	Endpoints []string // "unix:/run/ovn/ovnnb_db.sock", "tcp:10.0.0.1:6641", "ssl:10.0.0.1:6641"; tried in order
	// TLS is for endpoints of kind ssl.
	TLS    *tls.Config
	Tables []Table
	Log    *slog.Logger
	// ProbeInterval is how often a silent server is asked for a sign of life; 0 means 30 s.
	ProbeInterval time.Duration
}

// ErrClosed is returned after Close.
var ErrClosed = errors.New("ovsdb: client closed")

// connectTimeout bounds one attempt to connect and load the tables.
const connectTimeout = 60 * time.Second

// Client is a connection that is made again whenever it is lost. Safe for concurrent use.
type Client struct {
	cfg Config
	log *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	queue  chan *commit

	mu       sync.Mutex
	session  *session
	arrived  chan struct{} // closed when session becomes non-nil
	subs     map[*Subscription]struct{}
	lastFail error
}

// session is one live connection with a full replica.
type session struct {
	api  client.Client
	gone chan struct{} // closed when the connection is lost
	once sync.Once
}

// lose ends the session. The library's own notice can get lost, so whoever meets a dead connection says so too.
func (s *session) lose() { s.once.Do(func() { close(s.gone) }) }

// Open starts connecting in the background and returns at once.
func Open(cfg Config) *Client {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.ProbeInterval == 0 {
		cfg.ProbeInterval = 30 * time.Second
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{
		cfg: cfg, log: cfg.Log.With("database", cfg.Database), ctx: ctx, cancel: cancel, queue: make(chan *commit, 256),
		arrived: make(chan struct{}), subs: map[*Subscription]struct{}{},
	}
	c.done.Add(2)
	go c.supervise()
	go c.commitLoop()
	return c
}

// Close ends the connection and everything that waits on it.
func (c *Client) Close() {
	c.cancel()
	c.done.Wait()
}

// Ready waits until the client is connected with a complete replica.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.current(ctx)
	return err
}

// Connected tells whether the client is connected right now.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session != nil
}

// Barrier returns when the replica holds everything the server had committed when Barrier was called.
func (c *Client) Barrier(ctx context.Context) error {
	s, err := c.current(ctx)
	if err != nil {
		return err
	}
	// Updates and replies travel in order on one connection.
	return s.api.Echo(ctx)
}

// current waits for a live session.
func (c *Client) current(ctx context.Context) (*session, error) {
	for {
		c.mu.Lock()
		s, arrived, fail := c.session, c.arrived, c.lastFail
		c.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-arrived:
		case <-c.ctx.Done():
			return nil, ErrClosed
		case <-ctx.Done():
			if fail != nil {
				return nil, fmt.Errorf("ovsdb: %s: %w (last failure: %w)", c.cfg.Database, ctx.Err(), fail)
			}
			return nil, fmt.Errorf("ovsdb: %s: %w", c.cfg.Database, ctx.Err())
		}
	}
}

// supervise keeps one session alive until Close.
func (c *Client) supervise() {
	defer c.done.Done()
	const slowest = 5 * time.Second
	pause := 50 * time.Millisecond
	for c.ctx.Err() == nil {
		s, err := c.connect()
		if err != nil {
			c.mu.Lock()
			if c.ctx.Err() == nil && (c.lastFail == nil || c.lastFail.Error() != err.Error()) {
				c.log.Warn("cannot connect to OVSDB; trying until it works", "error", err)
			}
			c.lastFail = err
			c.mu.Unlock()
			select {
			case <-time.After(pause):
			case <-c.ctx.Done():
			}
			pause = min(2*pause, slowest)
			continue
		}
		pause = 50 * time.Millisecond
		c.publish(s)
		c.probe(s)
		c.withdraw()
		s.api.Close()
		c.log.Warn("connection to OVSDB lost")
	}
}

func (c *Client) publish(s *session) {
	c.log.Info("connected to OVSDB", "endpoint", s.api.CurrentEndpoint())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.lastFail = s, nil
	close(c.arrived)
	for sub := range c.subs {
		sub.reset()
	}
}

func (c *Client) withdraw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = nil
	c.arrived = make(chan struct{})
}

// probe returns when the session is lost or the client is closed.
func (c *Client) probe(s *session) {
	t := time.NewTicker(c.cfg.ProbeInterval)
	defer t.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-s.gone:
			return
		case <-t.C:
			ctx, cancel := context.WithTimeout(c.ctx, c.cfg.ProbeInterval)
			err := s.api.Echo(ctx)
			cancel()
			if err != nil {
				return
			}
		}
	}
}

// connect makes one session: connection, schema check, full load.
func (c *Client) connect() (*session, error) {
	types := map[string]model.Model{}
	indexes := map[string][]model.ClientIndex{}
	for _, t := range c.cfg.Tables {
		types[t.Row.TableName()] = t.Row
		if t.ExternalIDIndex != "" {
			for _, key := range append([]string{t.ExternalIDIndex}, t.MoreIndexes...) {
				indexes[t.Row.TableName()] = append(indexes[t.Row.TableName()], model.ClientIndex{Columns: []model.ColumnKey{{Column: "external_ids", Key: key}}})
			}
		}
	}
	db, err := model.NewClientDBModel(c.cfg.Database, types)
	if err != nil {
		return nil, err
	}
	db.SetIndexes(indexes)
	quiet := logr.Discard()
	opts := []client.Option{client.WithLogger(&quiet)}
	for _, e := range c.cfg.Endpoints {
		opts = append(opts, client.WithEndpoint(e))
	}
	if c.cfg.TLS != nil {
		opts = append(opts, client.WithTLSConfig(c.cfg.TLS))
	}
	if len(c.cfg.Endpoints) > 1 {
		opts = append(opts, client.WithLeaderOnly(true))
	}
	api, err := client.NewOVSDBClient(db, opts...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.ctx, connectTimeout)
	defer cancel()
	s := &session{api: api, gone: make(chan struct{})}
	if err := api.Connect(ctx); err != nil {
		return nil, err
	}
	go func() {
		defer s.lose()
		select {
		case <-api.DisconnectNotify():
		case <-c.ctx.Done():
		}
	}()
	api.Cache().AddEventHandler(&notifier{c: c, s: s})
	if _, err := api.Monitor(ctx, api.NewMonitor(c.monitored(db)...)); err != nil {
		api.Close()
		return nil, fmt.Errorf("load tables: %w", err)
	}
	return s, nil
}

// monitored asks for exactly the columns the row types have.
func (c *Client) monitored(db model.ClientDBModel) []client.MonitorOption {
	var opts []client.MonitorOption
	for _, t := range c.cfg.Tables {
		row := newLike(t.Row)
		opts = append(opts, client.WithTable(row, followed(row, t.Unfollowed)...))
	}
	return opts
}

// CommitError is a transaction the server refused.
type CommitError struct {
	Op      string // the operation, as far as known
	Kind    string // RFC 7047 error name: "constraint violation", ...
	Details string
}

func (e *CommitError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("ovsdb: %s refused: %s %s", e.Op, e.Kind, e.Details))
}

// ErrStale says that the replica on which the operations were computed was out of date: a row to be changed was gone, a row to
// be inserted existed, or a Wait did not hold. Call Barrier, compute again.
var ErrStale = errors.New("ovsdb: operations computed on outdated rows")

// Op is one operation of a transaction.
type Op = ovsdb.Operation

// describe names the operation for errors, without its values.
func describe(op Op) string {
	return op.Op + " " + op.Table
}
