package agent

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strconv"

	"gostack/internal/hostlink"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
)

// serveStreams answers what comes in over hostlink.
func (a *Agent) serveStreams() {
	if a.Link == nil {
		return
	}
	a.Link.Handle(rpc.ConsoleStream, a.console)
}

// console joins control's console proxies with a server's console, which nobody else can reach and which asks for no password.
func (a *Agent) console(ctx context.Context, s *hostlink.Stream) error {
	if !s.Peer.Control {
		return hostlink.Refuse(hostlink.CodeForbidden, "consoles are for control, not for %s", s.Peer)
	}
	var ref rpc.ConsoleArgs
	if err := s.Decode(&ref); err != nil {
		return err
	}
	at, err := a.Driver.Console(ctx, ref.ServerID, cmp.Or(ref.Kind, driver.ConsoleVNC))
	if errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrBadState) || errors.Is(err, driver.ErrUnsupported) {
		return hostlink.Refuse(hostlink.CodeNotFound, "server %s has no such console here: %v", ref.ServerID, err)
	}
	if err != nil {
		return err
	}
	network, address := "tcp", net.JoinHostPort(at.Host, strconv.Itoa(at.Port))
	if at.Path != "" {
		network, address = "unix", at.Path
	}
	end, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	defer end.Close()
	conn, err := s.Accept()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = end.Close() })
	defer stop()
	_, _, err = hostlink.Splice(conn, end)
	return err
}
