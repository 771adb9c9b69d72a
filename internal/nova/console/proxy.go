package console

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
)

const (
	dialTimeout = 10 * time.Second
	// pingEvery finds browsers that went away without saying so.
	pingEvery = 30 * time.Second
	// maxMessage bounds one message of a browser; a pasted clipboard is the
	// largest.
	maxMessage = 4 << 20
)

// Socket connects a browser with the server of its token, wherever it asks.
func (p *Proxy) Socket(w http.ResponseWriter, r *http.Request) {
	if !p.originAllowed(r.Header.Values("Origin")) {
		refuse(w, http.StatusForbidden, "Origin header not allowed.")
		return
	}
	token := tokenOf(r)
	if token == "" {
		refuse(w, http.StatusForbidden, "A token is needed.")
		return
	}
	host, port, serverID, err := p.Validator.Validate(r.Context(), token)
	if errors.Is(err, ErrToken) {
		refuse(w, http.StatusForbidden, "The token is unknown or has expired.")
		return
	}
	if err != nil {
		p.Log.WarnContext(r.Context(), "console token cannot be checked", "server", serverID, "error", err)
		refuse(w, http.StatusBadGateway, "The console is not available.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), dialTimeout)
	vnc, err := p.Dial(ctx, host, port, serverID)
	cancel()
	if err != nil {
		p.Log.WarnContext(r.Context(), "console is not reachable", "server", serverID, "error", err)
		refuse(w, http.StatusBadGateway, "The console is not reachable.")
		return
	}
	defer vnc.Close()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{"binary"},
		InsecureSkipVerify: true, // the origin is checked above, against the configuration
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return // Accept has answered
	}
	p.open.Add(1)
	defer p.open.Done()
	began := time.Now()
	p.carry(ws, vnc)
	p.Log.InfoContext(r.Context(), "console closed", "server", serverID, "took", time.Since(began).Round(time.Second))
}

// refuse answers a WebSocket that nobody gets, without a body: a client that takes what follows the headers for frames would read it as the guest's
// (tempest does). The reason is in the header Warning.
func refuse(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Warning", `199 gostack "`+reason+`"`)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

// carry copies both ways until one side ends or the proxy closes.
func (p *Proxy) carry(ws *websocket.Conn, vnc net.Conn) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	ws.SetReadLimit(maxMessage)
	browser := websocket.NetConn(ctx, ws, websocket.MessageBinary)
	done := make(chan struct{}, 3)
	copyTo := func(dst io.Writer, src io.Reader) {
		_, _ = io.Copy(dst, src) // either end going away is how a console ends
		done <- struct{}{}
	}
	go copyTo(vnc, browser)
	go copyTo(browser, vnc)
	go func() {
		ping(ctx, ws)
		done <- struct{}{}
	}()
	<-done
	_ = ws.Close(websocket.StatusNormalClosure, "")
	_ = vnc.Close()
	cancel()
	<-done
	<-done
}

// ping returns when the browser does not answer, or ctx ends.
func ping(ctx context.Context, ws *websocket.Conn) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		one, cancel := context.WithTimeout(ctx, pingEvery)
		err := ws.Ping(one)
		cancel()
		if err != nil {
			return
		}
	}
}

// tokenOf reads the token from the query or, as upstream, from the cookie.
func tokenOf(r *http.Request) string {
	if t := r.URL.Query().Get("token"); t != "" {
		return t
	}
	if c, err := r.Cookie("token"); err == nil {
		return c.Value
	}
	return ""
}

// originAllowed: a client that is no browser sends no origin and passes; a
// browser must come from one of our own pages.
func (p *Proxy) originAllowed(values []string) bool {
	if len(values) == 0 {
		return true
	}
	if len(values) > 1 {
		return false
	}
	u, err := url.Parse(values[0])
	return err == nil && u.Host != "" && p.origins[normalOrigin(u)]
}

// normalOrigin is scheme and host in small letters, without a default port.
func normalOrigin(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if (scheme == "http" && u.Port() == "80") || (scheme == "https" && u.Port() == "443") {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return scheme + "://" + host
}
