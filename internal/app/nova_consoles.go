package app

import (
	"context"
	"net"
	"net/http"
	"strings"

	"gostack/internal/nova"
	"gostack/internal/nova/console"
)

// Where the consoles' pages and WebSockets are.
const (
	novncPrefix  = "/novnc/"
	spicePrefix  = "/spice/"
	serialPrefix = "/serial/"
)

// spicePages is where upstream's proxy finds the page of SPICE, too: Debian's package spice-html5 puts it there.
const spicePages = "/usr/share/spice-html5"

// consoleURL is where users find a proxy: below the address of the APIs.
func consoleURL(public, prefix string) string {
	return strings.TrimRight(public, "/") + strings.TrimRight(prefix, "/")
}

// consoleProxy builds the proxy of a type of consoles.
func consoleProxy(kind, prefix string, more func(*console.Options)) func(context.Context, *House) (Unit, error) {
	return func(_ context.Context, h *House) (Unit, error) {
		o := console.Options{
			Validator: novaConsoles{h.Nova, kind}, Origins: []string{h.Config.PublicURL}, Log: h.Log,
			Dial: func(ctx context.Context, host string, _ int, server string) (net.Conn, error) {
				return h.Nova.DialConsole(ctx, kind, host, server)
			},
		}
		if more != nil {
			more(&o)
		}
		proxy, err := console.New(prefix, o)
		if err != nil {
			return Unit{}, err
		}
		h.Root[prefix] = proxy
		if kind == nova.ConsoleNoVNC { // where clients look that take host and port from the page's address, and the path from its query
			h.RootSocket = http.HandlerFunc(proxy.Socket)
			h.Root["GET /websockify"] = h.RootSocket
		}
		return Unit{Stop: func(context.Context) error {
			proxy.Close()
			return nil
		}}, nil
	}
}
