package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// ErrUnknownOutcome says that the database went away while it was told to commit: the write may have been made or not.
var ErrUnknownOutcome = errors.New("the database went away during the commit, which may have happened or not")

const (
	// connectPatience is how long a request waits for a database that is being restarted.
	connectPatience = 5 * time.Second
	// deadAfter is when a connection whose other end has vanished without a word is given up.
	deadAfter = 12 * time.Second
)

// IsUnavailable tells whether err says that the database cannot be asked now: it is away, starting, stopping, full of connections, or closed.
// The same question may be answered later.
func IsUnavailable(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, ErrClosed) || errors.Is(err, ErrUnknownOutcome) || disconnected(err) {
		return true
	}
	return strings.Contains(err.Error(), "sql: database is closed")
}

// IsFull tells whether err says that the database has no room left to write. Nothing was written; reading goes on.
func IsFull(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code()&0xff == sqlitelib.SQLITE_FULL
	}
	return pgCode(err) == "53100" // disk_full
}

// disconnected tells whether err says that there is no working connection. What was under way on it has been rolled back, unless it was a commit.
func disconnected(err error) bool {
	code := pgCode(err)
	switch {
	case code == "57P01", code == "57P02", code == "57P03": // stopped by an operator, crashed, still starting
		return true
	case code == "53300", code == "25006": // no connection is free; read-only: a standby that is not promoted yet
		return true
	case strings.HasPrefix(code, "08"):
		return true
	case code != "":
		return false
	}
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &connect), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, net.ErrClosed):
		return true
	case errors.As(err, &network):
		return !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
	}
	return strings.Contains(err.Error(), "conn closed")
}

// refused tells whether waiting will not help: the password, the user or the database is wrong.
func refused(err error) bool {
	code := pgCode(err)
	return strings.HasPrefix(code, "28") || code == "3D000" || code == "42501"
}

// patient is a connector that waits a while for a database that is away. Reads and writes that come during a restart are late, not lost.
type patient struct {
	driver.Connector
	patience time.Duration
}

// Connect implements driver.Connector.
func (p patient) Connect(ctx context.Context) (driver.Conn, error) {
	until := time.Now().Add(p.patience)
	for pause := 20 * time.Millisecond; ; pause = min(pause*2, 500*time.Millisecond) {
		c, err := p.Connector.Connect(ctx)
		if err == nil || refused(err) || !disconnected(err) || time.Now().Add(pause).After(until) {
			return c, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// parsePostgres reads the URL. The error never shows the password.
func parsePostgres(rawURL string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return nil, errors.New("database: the postgres URL does not parse") // the error of pgx may show the password
	}
	// bun puts arguments into the statement itself, so there is nothing to prepare.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	cfg.RuntimeParams["timezone"] = "UTC"
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "gostack"
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectPatience
	}
	// A link that was cut says nothing: both ends find out by themselves, and what a vanished replica had locked becomes free.
	cfg.RuntimeParams["tcp_keepalives_idle"] = "5"
	cfg.RuntimeParams["tcp_keepalives_interval"] = "3"
	cfg.RuntimeParams["tcp_keepalives_count"] = "2"
	cfg.RuntimeParams["idle_in_transaction_session_timeout"] = "30000"
	dialer := &net.Dialer{
		Timeout:         cfg.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 3 * time.Second, Count: 2},
		Control: func(network, _ string, c syscall.RawConn) error {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			return c.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadAfter.Milliseconds()))
			})
		},
	}
	cfg.DialFunc = dialer.DialContext
	return cfg, nil
}

// openPool opens connections by cfg and makes the first.
func openPool(ctx context.Context, cfg *pgx.ConnConfig) (*sql.DB, error) {
	pool := sql.OpenDB(patient{stdlib.GetConnector(*cfg), connectPatience})
	pool.SetMaxOpenConns(32)
	pool.SetMaxIdleConns(8)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	if err := pool.PingContext(ctx); err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("database %s/%s: %w", cfg.Host, cfg.Database, err)
	}
	return pool, nil
}
