// Package console is nova-novncproxy, nova-spicehtml5proxy and nova-serialproxy: it
// shows a server's screen in a browser and joins WebSockets with serial ports.
//
// It serves a page, of its own that of noVNC, and carries bytes between the page's
// WebSocket and the console on the compute host. Who may see which server is decided by the
// token, which is checked anew for each connection; the package knows nothing
// else of servers. It never redirects, so there is no redirect to abuse
// (OSSA-2021-002), and never writes a token into a log (OSSA-2020-001).
//
// The page's client is noVNC 1.3.0, unmodified, in the form of its source: see
// novnc/COPYRIGHT and novnc/LICENSE.MPL-2.0.
package console

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed novnc page
var files embed.FS

// ErrToken says that a token is unknown or has expired.
var ErrToken = errors.New("the token is unknown or has expired")

// Validator knows tokens.
type Validator interface {
	// Validate answers the host on which the token's server is now and the port
	// of its console there, or ErrToken. It must ask the host anew: another
	// server may have the port that the first one had.
	Validate(ctx context.Context, token string) (host string, port int, serverID string, err error)
}

// Options say how the proxy works.
type Options struct {
	Validator Validator

	// Origins are the scheme and host of the addresses under which users see
	// the page, as "https://cloud.example:5000". A browser that comes from
	// another page is refused (OSSA-2015-005). The Host header is not asked: an
	// attacker who rebinds a name chooses it.
	Origins []string

	// Dial connects to the VNC server of a server as Validate has answered it;
	// nil for TCP.
	Dial func(ctx context.Context, host string, port int, serverID string) (net.Conn, error)

	// Pages are the files of another page than noVNC's, which is served with the rights that it wants for itself.
	Pages fs.FS
	// Bare is a proxy without a page: its prefix is the WebSocket.
	Bare bool

	Log *slog.Logger // nil: slog.Default()
}

// Proxy is an http.Handler for everything below its prefix.
type Proxy struct {
	Options
	prefix  string
	origins map[string]bool
	ctx     context.Context // ends the connections
	stop    context.CancelFunc
	open    sync.WaitGroup
}

// Pages are the names under which the page answers below the prefix; those of
// upstream's noVNC are among them.
var pages = map[string]bool{"": true, "vnc_lite.html": true, "vnc_auto.html": true, "vnc.html": true}

// Socket is the WebSocket's path below the prefix.
const socketPath = "websockify"

// New makes a proxy that answers below prefix, as "/novnc/".
func New(prefix string, o Options) (*Proxy, error) {
	if o.Validator == nil {
		return nil, errors.New("console proxy: a validator is needed")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, host string, port int, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		}
	}
	p := &Proxy{Options: o, prefix: "/" + strings.Trim(prefix, "/") + "/", origins: map[string]bool{}}
	if p.prefix == "//" {
		p.prefix = "/"
	}
	for _, origin := range o.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" {
			return nil, errors.New("console proxy: an origin is a scheme and a host, not " + origin)
		}
		p.origins[normalOrigin(u)] = true
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p, nil
}

// Close ends all consoles and waits until they have.
func (p *Proxy) Close() {
	p.stop()
	p.open.Wait()
}

// URL is the address of the page for a token, below the public address of the
// proxy's listener: what a remote console's url is.
func URL(public, prefix, token string) string {
	ws := "?token=" + url.QueryEscape(token)
	return strings.TrimRight(public, "/") + "/" + strings.Trim(prefix, "/") + "/vnc_lite.html?path=" + url.QueryEscape(ws)
}

// ServeHTTP serves the page, its files and the WebSocket.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, p.prefix)
	if !ok {
		http.NotFound(w, r)
		return
	}
	if name == socketPath || p.Bare && name == "" {
		p.Socket(w, r)
		return
	}
	if p.Bare {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method not allowed.", http.StatusMethodNotAllowed)
		return
	}
	if p.Pages != nil {
		w.Header().Set("Cache-Control", "no-store")
		serveFile(w, r, p.Pages, name, foreignPolicy)
		return
	}
	if pages[name] {
		// The address holds a token: nobody keeps the page or hears where the
		// browser came from.
		w.Header().Set("Cache-Control", "no-store")
		name = "page/console.html"
	}
	serveFile(w, r, files, name, securityPolicy)
}

// securityPolicy keeps the page to itself: a console shows what a guest draws,
// and a guest may be hostile (OSSA-2026-006 was text become script).
const securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
	"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'"

// foreignPolicy is for a page that is not ours and has its scripts in its text.
const foreignPolicy = "default-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'"

// serveFile serves one file by its exact name.
func serveFile(w http.ResponseWriter, r *http.Request, files fs.FS, name, policy string) {
	if !fs.ValidPath(name) || strings.HasPrefix(path.Base(name), ".") {
		http.NotFound(w, r)
		return
	}
	text, err := fs.ReadFile(files, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType(name))
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "max-age=3600")
	}
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(text) // the browser has gone
}

func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".html", ".css":
		return mime.TypeByExtension(ext)
	default:
		return "text/plain; charset=utf-8"
	}
}
