package e2e

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/coder/websocket"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/remoteconsoles"
)

// vnc opens a server's screen as a browser does: the page, its script, and RFB through the WebSocket.
func (g *gopherWalk) vnc() {
	ctx := context.Background()
	console, err := remoteconsoles.Create(ctx, within(g.member.compute, "2.6"), g.servers["one"].id, remoteconsoles.CreateOpts{
		Protocol: remoteconsoles.ConsoleProtocolVNC, Type: remoteconsoles.ConsoleTypeNoVNC,
	}).Extract()
	g.must(err, "create a remote console")
	u, err := url.Parse(console.URL)
	g.must(err, "read the console's URL")
	path, err := url.Parse(u.Query().Get("path"))
	g.must(err, "read the WebSocket's path")
	token := path.Query().Get("token")
	if len(token) < 32 || u.Host != "127.0.0.1:5000" {
		g.t.Fatalf("console URL without a token: %s", strings.ReplaceAll(console.URL, token, "TOKEN"))
	}
	g.hide(token)

	for page, kind := range map[string]string{console.URL: "text/html", u.ResolveReference(&url.URL{Path: "page/console.js"}).String(): "text/javascript"} {
		resp, err := g.http().Get(page)
		g.must(err, "get the page")
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), kind) || len(body) == 0 {
			g.t.Errorf("%s: %d, %s, %d bytes, %v", kind, resp.StatusCode, resp.Header.Get("Content-Type"), len(body), err)
		}
		if strings.Contains(string(body), token) {
			g.t.Error("the token is in the page")
		}
	}

	socket := "/novnc/websockify"
	open := func(token, origin string) (*websocket.Conn, int, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		h := http.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		ws, resp, err := websocket.Dial(ctx, "ws://127.0.0.1:5000"+socket+"?token="+url.QueryEscape(token),
			&websocket.DialOptions{HTTPClient: g.http(), HTTPHeader: h, Subprotocols: []string{"binary"}})
		if resp == nil {
			return ws, 0, err
		}
		return ws, resp.StatusCode, err
	}
	for what, c := range map[string][2]string{
		"wrong token":    {"00000000-0000-4000-8000-000000000000", "http://127.0.0.1:5000"},
		"no token":       {"", "http://127.0.0.1:5000"},
		"foreign page":   {token, "https://evil.example"},
		"other port":     {token, "http://127.0.0.1:5001"},
		"opaque origin":  {token, "null"},
		"Keystone token": {g.member.compute.Token(), "http://127.0.0.1:5000"},
	} {
		ws, status, err := open(c[0], c[1])
		if err == nil {
			_ = ws.CloseNow()
		}
		if err == nil || status != http.StatusForbidden {
			g.t.Errorf("%s: %d, %v", what, status, err)
		}
	}

	socket = "/" // where a page looks that takes host and port from its own address, and the path from its query
	ws, status, err := open(token, "http://127.0.0.1:5000")
	if err != nil {
		g.t.Fatalf("the WebSocket: %d, %v", status, err)
	}
	defer func() { _ = ws.CloseNow() }()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rfb := websocket.NetConn(ctx, ws, websocket.MessageBinary)
	read := func(n int) string {
		b := make([]byte, n)
		_, err := io.ReadFull(rfb, b)
		g.must(err, "read RFB")
		return string(b)
	}
	send := func(b string) {
		_, err := io.WriteString(rfb, b)
		g.must(err, "write RFB")
	}
	// RFC 6143 section 7: version, security (1 is none), result, a shared session, and the size of the screen.
	if v := read(12); v != "RFB 003.008\n" {
		g.t.Fatalf("the server says %q", v)
	}
	send("RFB 003.008\n")
	if kinds := read(int(read(1)[0])); !strings.Contains(kinds, "\x01") {
		g.t.Fatalf("security types % x", kinds)
	}
	send("\x01")
	if result := read(4); result != "\x00\x00\x00\x00" {
		g.t.Fatalf("security result % x", result)
	}
	send("\x01")
	size := read(24)
	if w, h := int(size[0])<<8|int(size[1]), int(size[2])<<8|int(size[3]); w < 320 || h < 200 {
		g.t.Errorf("a screen of %d by %d", w, h)
	}
}
