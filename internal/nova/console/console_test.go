package console_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"gostack/internal/nova/console"
)

const origin = "https://cloud.example:5000"

// vnc is a server that greets as RFB does and then echoes.
func vnc(t *testing.T) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Write([]byte("RFB 003.008\n"))
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr)
}

// tokens knows one good token.
type tokens struct{ addr *net.TCPAddr }

func (v tokens) Validate(_ context.Context, token string) (string, int, string, error) {
	switch token {
	case "good":
		return v.addr.IP.String(), v.addr.Port, "server-1", nil
	case "unreachable":
		return "127.0.0.1", 1, "server-2", nil
	default:
		return "", 0, "", console.ErrToken
	}
}

type logBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *logBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}

func serve(t *testing.T) (*httptest.Server, *console.Proxy, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	p, err := console.New("/novnc/", console.Options{
		Validator: tokens{vnc(t)}, Origins: []string{origin}, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	t.Cleanup(p.Close)
	return s, p, log
}

func dial(t *testing.T, s *httptest.Server, query, from string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	h := http.Header{}
	if from != "" {
		h.Set("Origin", from)
	}
	return websocket.Dial(ctx, strings.Replace(s.URL, "http", "ws", 1)+"/novnc/websockify"+query, &websocket.DialOptions{
		HTTPHeader: h, Subprotocols: []string{"binary"},
	})
}

func TestCarriesRFB(t *testing.T) {
	s, p, log := serve(t)
	c, _, err := dial(t, s, "?token=good", origin)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if c.Subprotocol() != "binary" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	conn := websocket.NetConn(t.Context(), c, websocket.MessageBinary)
	hello := make([]byte, 12)
	if _, err := io.ReadFull(conn, hello); err != nil || string(hello) != "RFB 003.008\n" {
		t.Fatalf("hello %q, %v", hello, err)
	}
	big := bytes.Repeat([]byte("0123456789"), 100_000)
	go func() { _, _ = conn.Write(big) }()
	back := make([]byte, len(big))
	if _, err := io.ReadFull(conn, back); err != nil || !bytes.Equal(back, big) {
		t.Errorf("echo of %d bytes: %v", len(big), err)
	}
	p.Close() // ends consoles and returns only when they have
	if _, err := conn.Read(back); err == nil {
		t.Error("the console outlives the proxy")
	}
	if !strings.Contains(log.text(), "server-1") || strings.Contains(log.text(), "good") {
		t.Errorf("log: %s", log.text())
	}
}

func TestRefuses(t *testing.T) {
	s, _, log := serve(t)
	for name, c := range map[string]struct {
		query, origin string
		status        int
	}{
		"no token":       {"", origin, 403},
		"unknown token":  {"?token=bad", origin, 403},
		"foreign page":   {"?token=good", "https://evil.example", 403},
		"other scheme":   {"?token=good", "http://cloud.example:5000", 403},
		"other port":     {"?token=good", "https://cloud.example", 403},
		"null origin":    {"?token=good", "null", 403},
		"host as origin": {"?token=good", s.URL, 403}, // what the Host header says does not count
		"nobody listens": {"?token=unreachable", origin, 502},
	} {
		ws, r, err := dial(t, s, c.query, c.origin)
		if err == nil {
			ws.CloseNow()
			t.Errorf("%s: let in", name)
			continue
		}
		if r == nil || r.StatusCode != c.status {
			t.Errorf("%s: %v, %v", name, r, err)
			continue
		}
		if body, err := io.ReadAll(r.Body); err != nil || len(body) > 0 || r.Header.Get("Warning") == "" {
			t.Errorf("%s: %q follows the headers %v (%v): a client may take it for frames", name, body, r.Header, err)
		}
	}
	if ws, _, err := dial(t, s, "?token=good", ""); err != nil {
		t.Errorf("a client that is no browser: %v", err)
	} else {
		ws.CloseNow()
	}
	if strings.Contains(log.text(), "unreachable\"") || strings.Contains(log.text(), "token=") {
		t.Errorf("a token is in the log: %s", log.text())
	}
}

func TestCookieToken(t *testing.T) {
	s, _, _ := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c, _, err := websocket.Dial(ctx, strings.Replace(s.URL, "http", "ws", 1)+"/novnc/websockify", &websocket.DialOptions{
		HTTPHeader: http.Header{"Cookie": {"token=good"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
}

func TestPage(t *testing.T) {
	s, _, _ := serve(t)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for path, want := range map[string]struct {
		status   int
		contains string
	}{
		"/novnc/vnc_lite.html?path=%3Ftoken%3Dx":       {200, "page/load.js"},
		"/novnc/vnc_auto.html":                         {200, "page/load.js"},
		"/novnc/":                                      {200, "page/load.js"},
		"/novnc/page/load.js":                          {200, "console.js"},
		"/novnc/page/console.js":                       {200, "core/rfb.js"},
		"/novnc/page/console.css":                      {200, "header"},
		"/novnc/novnc/core/rfb.js":                     {200, "export default class RFB"},
		"/novnc/novnc/vendor/pako/lib/zlib/inflate.js": {200, "export"},
		"/novnc/novnc/LICENSE.MPL-2.0":                 {200, "Mozilla Public License"},
		"/novnc/novnc":                                 {404, ""},
		"/novnc/novnc/core/":                           {404, ""},
		"/novnc/../console.go":                         {404, ""},
		"/novnc/%2e%2e/console.go":                     {404, ""},
		"/novnc/nothing.html":                          {404, ""},
		"//evil.example/%2F..":                         {404, ""}, // OSSA-2021-002
		"/novnc//evil.example/%2F..":                   {404, ""},
	} {
		r, err := client.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != want.status || !strings.Contains(string(body), want.contains) {
			t.Errorf("%s: %d, %v", path, r.StatusCode, err)
		}
		if r.Header.Get("Location") != "" {
			t.Errorf("%s redirects to %s", path, r.Header.Get("Location"))
		}
		if r.StatusCode == 200 && (r.Header.Get("Content-Security-Policy") == "" || strings.Contains(r.Header.Get("Content-Security-Policy"), "script-src 'self' 'unsafe")) {
			t.Errorf("%s: policy %q", path, r.Header.Get("Content-Security-Policy"))
		}
	}
	r, err := client.Post(s.URL+"/novnc/", "text/plain", strings.NewReader("x"))
	if err != nil || r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s, %v", strconv.Itoa(r.StatusCode), err)
	}
	r.Body.Close()
}

func TestURL(t *testing.T) {
	got := console.URL("http://127.0.0.1:5000/", "/novnc/", "a b")
	if want := "http://127.0.0.1:5000/novnc/vnc_lite.html?path=%3Ftoken%3Da%2Bb"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
