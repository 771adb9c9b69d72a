package libvirt_test

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"gostack/internal/nova/console"
	"gostack/internal/nova/driver"
)

// seat lets a test's only token in to one server.
type seat struct {
	l    *lab
	id   string
	kind driver.ConsoleKind
}

func (s seat) Validate(ctx context.Context, token string) (string, int, string, error) {
	if token != "ticket" {
		return "", 0, "", console.ErrToken
	}
	a, err := s.l.Console(ctx, s.id, s.kind)
	return a.Host, a.Port, s.id, err
}

// A browser's way to a real screen.
func TestVNCThroughProxy(t *testing.T) {
	l := newLab(t)
	s := spec()
	l.prepare(s)
	l.must("start", l.Start(t.Context(), s.ID))
	p, err := console.New("/novnc/", console.Options{Validator: seat{l, s.ID, driver.ConsoleVNC}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	web := httptest.NewServer(p)
	defer web.Close()
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(web.URL, "http", "ws", 1)+"/novnc/websockify?token=ticket",
		&websocket.DialOptions{Subprotocols: []string{"binary"}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	conn := websocket.NetConn(t.Context(), ws, websocket.MessageBinary)
	// RFC 6143 section 7.1: versions, security types, "none", result, size.
	hello := make([]byte, 12)
	if _, err := io.ReadFull(conn, hello); err != nil || string(hello) != "RFB 003.008\n" {
		t.Fatalf("hello %q, %v", hello, err)
	}
	answer := func(send []byte, want int) []byte {
		t.Helper()
		if _, err := conn.Write(send); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, want)
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if types := answer(hello, 2); types[0] != 1 || types[1] != 1 {
		t.Fatalf("security types %v", types)
	}
	if result := answer([]byte{1}, 4); result[3] != 0 {
		t.Fatalf("security result %v", result)
	}
	init := answer([]byte{1}, 24)
	if width, height := int(init[0])<<8|int(init[1]), int(init[2])<<8|int(init[3]); width < 320 || height < 200 {
		t.Errorf("screen of %d x %d", width, height)
	}
}
