package nova

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gostack/internal/bus"
	"gostack/internal/hostlink"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// The types of consoles that there are.
const (
	ConsoleNoVNC  = "novnc"
	ConsoleSPICE  = "spice-html5"
	ConsoleSerial = "serial"
)

// consoleTypes says of each type what the host has for it, and what the action is called that opens it.
var consoleTypes = map[string]struct {
	kind   driver.ConsoleKind
	action string
}{
	ConsoleNoVNC: {driver.ConsoleVNC, "get_vnc_console"}, ConsoleSPICE: {driver.ConsoleSPICE, "get_spice_console"}, ConsoleSerial: {driver.ConsoleSerial, "get_serial_console"},
}

// ConsoleUnavailable refuses a type of console that the cloud, or the server's host, does not have.
func ConsoleUnavailable(kind string) error {
	return rest.BadRequest("Unavailable console type %s.", kind)
}

// ConsoleOutput returns the last lines of a server's serial console; lines below 0 means all that is kept.
func (s *Service) ConsoleOutput(ctx context.Context, srv *Server, lines int) (string, error) {
	if srv.Host == "" {
		return "", notReady(srv)
	}
	var reply rpc.ConsoleLogReply
	if err := s.Hosts.Call(ctx, srv.Host, rpc.ConsoleLog, rpc.ConsoleLogArgs{ServerID: srv.ID, Lines: lines}, &reply); err != nil {
		return "", s.hostRefused(srv, "get_console_output", err)
	}
	return plain(reply.Output), nil
}

// plain is what a terminal got as text: without the control characters that upstream leaves out (nova/api/openstack/compute/console_output.py).
func plain(output []byte) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' && r != '\n' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(output), "�"))
}

func notReady(srv *Server) error {
	return rest.Conflict("Instance %s is not ready", srv.ID)
}

// hostRefused is what a user hears when a host does not answer a question about a server.
func (s *Service) hostRefused(srv *Server, action string, err error) error {
	switch {
	case errors.Is(err, driver.ErrNotFound), errors.Is(err, driver.ErrBadState):
		return InvalidState(srv, action, "vm_state", srv.VMState)
	case errors.Is(err, bus.ErrUnroutable), errors.Is(err, context.DeadlineExceeded):
		return rest.Fail(http.StatusConflict, "Instance %s is not ready: its host does not answer", srv.ID).Because(err)
	}
	return err
}

// OpenConsole gives a ticket for a server's console of a type and returns the address of the page that shows it, of a serial console that of
// its WebSocket. Whether the guest has one, in whatever state the server is, its host knows. Whoever has the address sees the console until the ticket expires.
func (s *Service) OpenConsole(ctx context.Context, srv *Server, kind string) (string, error) {
	t, ok := consoleTypes[kind]
	if !ok {
		return "", ConsoleUnavailable(kind)
	}
	if srv.Host == "" {
		return "", notReady(srv)
	}
	if srv.TaskState == TaskDeleting || srv.TaskState == TaskMigrating {
		return "", InvalidState(srv, t.action, "task_state", srv.TaskState)
	}
	var at driver.ConsoleAddress
	err := s.Hosts.Call(ctx, srv.Host, rpc.Console, rpc.ConsoleArgs{ServerID: srv.ID, Kind: t.kind}, &at)
	if errors.Is(err, driver.ErrUnsupported) {
		return "", ConsoleUnavailable(kind)
	}
	if err != nil {
		return "", s.hostRefused(srv, t.action, err)
	}
	ttl := s.Config.ConsoleTTL
	if ttl == 0 {
		ttl = 10 * time.Minute
	}
	token := s.newID()
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		now := s.Now()
		if err := db.DeleteExpiredConsoleTokens(ctx, tx, now); err != nil {
			return err
		}
		return db.Insert(ctx, tx, &db.ConsoleToken{
			TokenHash: tokenHash(token), ServerID: srv.ID, Type: kind, Host: srv.Host, Address: at.Host, Port: at.Port, Path: at.Path, ExpiresAt: now.Add(ttl),
		})
	})
	return s.consoleURL(kind, token), err
}

// consoleURL is where a ticket is good.
func (s *Service) consoleURL(kind, token string) string {
	query := "?token=" + url.QueryEscape(token)
	switch kind {
	case ConsoleSerial:
		return strings.TrimRight(s.Config.SerialURL, "/") + "/" + query
	case ConsoleSPICE:
		base := strings.TrimRight(s.Config.SpiceURL, "/")
		path := "websockify"
		if u, err := url.Parse(base); err == nil {
			path = strings.TrimPrefix(u.Path+"/"+path, "/") // the page looks for it below the root
		}
		return base + "/spice_auto.html" + query + "&path=" + url.QueryEscape(path)
	}
	return strings.TrimRight(s.Config.ConsoleURL, "/") + "/vnc_lite.html?path=" + url.QueryEscape(query)
}

func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// ConsoleToken returns the ticket of a token that is good.
func (s *Service) ConsoleToken(ctx context.Context, token string) (*db.ConsoleToken, error) {
	t, err := db.GetConsoleToken(ctx, s.DB.Read(ctx), tokenHash(token), s.Now())
	if store.IsNotFound(err) {
		return nil, rest.NotFound("Token not found")
	}
	return t, err
}

// ErrConsoleToken says that a token is unknown or has expired, or that its server has no screen any more.
var ErrConsoleToken = errors.New("the token is unknown or has expired")

// ValidateConsole tells the proxy of a type of consoles on which host, and on which port there, the console of a token's server is now. The host
// is asked anew: another server may have the port that this one had, and this one may have moved.
func (s *Service) ValidateConsole(ctx context.Context, kind, token string) (host string, port int, serverID string, err error) {
	t, err := db.GetConsoleToken(ctx, s.DB.Read(ctx), tokenHash(token), s.Now())
	if store.IsNotFound(err) || err == nil && t.Type != kind {
		return "", 0, "", ErrConsoleToken
	}
	if err != nil {
		return "", 0, "", err
	}
	srv, err := db.GetServer(ctx, s.DB.Read(ctx), t.ServerID)
	if store.IsNotFound(err) {
		return "", 0, "", ErrConsoleToken
	}
	if err != nil {
		return "", 0, "", err
	}
	var at driver.ConsoleAddress
	if err := s.Hosts.Call(ctx, srv.Host, rpc.Console, rpc.ConsoleArgs{ServerID: srv.ID, Kind: consoleTypes[kind].kind}, &at); err != nil {
		if errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrBadState) || errors.Is(err, driver.ErrUnsupported) {
			return "", 0, "", ErrConsoleToken
		}
		return "", 0, "", err
	}
	return srv.Host, at.Port, srv.ID, nil
}

// DialConsole connects to a console of a server on its host. It listens on the host's loopback or on a socket there and knows no password: this
// is the one way to it, and the host lets nobody but control take it.
func (s *Service) DialConsole(ctx context.Context, kind, host, serverID string) (net.Conn, error) {
	return s.DialHost(ctx, host, rpc.ConsoleStream, rpc.ConsoleArgs{ServerID: serverID, Kind: consoleTypes[kind].kind})
}

// DialHost opens a stream to a host's agent.
func (s *Service) DialHost(ctx context.Context, host, service string, header any) (net.Conn, error) {
	n, err := db.GetComputeNodeOf(ctx, s.DB.Read(ctx), host)
	if err != nil {
		return nil, fmt.Errorf("compute host %s: %w", host, err)
	}
	return s.Link.Dial(ctx, hostlink.Host(host, n.Info.LinkAddress), service, header)
}

// Diagnostics returns the counters of a running server.
func (s *Service) Diagnostics(ctx context.Context, srv *Server) (*driver.Diagnostics, error) {
	if srv.Host == "" {
		return nil, notReady(srv)
	}
	if err := Allowed(srv, "get_diagnostics", Active); err != nil {
		return nil, err
	}
	d := new(driver.Diagnostics)
	if err := s.Hosts.Call(ctx, srv.Host, rpc.Diagnostics, rpc.ServerRef{ServerID: srv.ID}, d); err != nil {
		return nil, s.hostRefused(srv, "get_diagnostics", err)
	}
	return d, nil
}
