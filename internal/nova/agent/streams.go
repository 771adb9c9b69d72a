package agent

import (
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

// console joins control's console proxy with a server's VNC server, which nobody else can reach and which asks for no password.
func (a *Agent) console(ctx context.Context, s *hostlink.Stream) error {
	if !s.Peer.Control {
		return hostlink.Refuse(hostlink.CodeForbidden, "consoles are for control, not for %s", s.Peer)
	}
	var ref rpc.ServerRef
	if err := s.Decode(&ref); err != nil {
		return err
	}
	at, err := a.Driver.Console(ctx, ref.ServerID, driver.ConsoleVNC)
	if errors.Is(err, driver.ErrNotFound) || errors.Is(err, driver.ErrBadState) {
		return hostlink.Refuse(hostlink.CodeNotFound, "server %s has no screen here: %v", ref.ServerID, err)
	}
	if err != nil {
		return err
	}
	vnc, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(at.Host, strconv.Itoa(at.Port)))
	if err != nil {
		return err
	}
	defer vnc.Close()
	conn, err := s.Accept()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = vnc.Close() })
	defer stop()
	_, _, err = hostlink.Splice(conn, vnc)
	return err
}
