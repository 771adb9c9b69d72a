package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestConsoleInBrowser opens the console page that the API hands out in a real browser, sees the guest's screen and types into it. It is left
// out where Debian's chromium is not installed. GOSTACK_SCREENSHOT names a file that gets the picture.
func TestConsoleInBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("NOT TESTED: the console page in a browser; apt install chromium")
	}
	c := up(t, "--bare")
	r := newREST(c)
	id := r.boot("screen")
	r.await(id, "ACTIVE")
	var console struct {
		RemoteConsole struct{ URL string } `json:"remote_console"`
	}
	r.do(http.MethodPost, "/compute/v2.1/servers/"+id+"/remote-consoles", obj{"remote_console": obj{"protocol": "vnc", "type": "novnc"}}, &console)
	b := c.browser(chromium)
	t.Cleanup(func() {
		if file := os.Getenv("GOSTACK_SCREENSHOT"); file != "" {
			b.screenshot(file)
		}
	})
	b.do("Page.navigate", obj{"url": console.RemoteConsole.URL})
	// lit counts the pixels of the guest's screen that are not black.
	lit := func() (n int) {
		b.eval(`(() => {
			const c = document.querySelector('canvas')
			if (!c || !c.width) return 0
			const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data
			let n = 0
			for (let i = 0; i < d.length; i += 4) if (d[i] + d[i+1] + d[i+2] > 120) n++
			return n
		})()`, &n)
		return n
	}
	t.Cleanup(func() {
		if t.Failed() {
			var text string
			b.eval("document.body.innerText", &text)
			t.Logf("%d pixels are lit; the page says %q and in its console %q; the guest's console says\n%s", lit(), text, b.errors(), r.console(id))
		}
	})
	c.eventually("the guest's screen shows its login prompt", func() bool {
		return lit() > 300 && strings.Contains(r.console(id), "login:")
	})
	// The screen is still while it waits for a user.
	still := 0
	c.eventually("the screen is still", func() bool { was := still; still = lit(); time.Sleep(300 * time.Millisecond); return was == still })
	b.do("Runtime.evaluate", obj{"expression": "document.querySelector('canvas').focus()"})
	for _, key := range "cirros" {
		b.do("Input.dispatchKeyEvent", obj{"type": "keyDown", "text": string(key), "key": string(key), "code": "Key" + strings.ToUpper(string(key)), "windowsVirtualKeyCode": int(key) - 32})
		b.do("Input.dispatchKeyEvent", obj{"type": "keyUp", "key": string(key), "code": "Key" + strings.ToUpper(string(key)), "windowsVirtualKeyCode": int(key) - 32})
	}
	c.eventually("what is typed appears", func() bool { return lit() > still+30 })
	var state string
	b.eval("document.body.innerText", &state)
	if strings.Contains(strings.ToLower(state), "error") || strings.Contains(strings.ToLower(state), "disconnected") {
		t.Errorf("the page says: %s", state)
	}
	// A guest's interface that comes up in that moment makes the browser fetch again, which the page sees to.
	if errs := slices.DeleteFunc(b.errors(), func(e string) bool { return strings.Contains(e, "ERR_NETWORK_CHANGED") }); len(errs) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(errs, "\n"))
	}
}

// console is a server's console log.
func (r *restClient) console(id string) string {
	var out struct{ Output string }
	r.do(http.MethodPost, "/compute/v2.1/servers/"+id+"/action", obj{"os-getConsoleOutput": obj{}}, &out)
	return out.Output
}

// browser is a page of a headless Chromium, spoken to by the DevTools protocol.
type browser struct {
	c    *cloud
	conn *websocket.Conn
	id   int
	said []string // errors of the page
}

func (c *cloud) browser(program string) *browser {
	c.t.Helper()
	dir := c.Run(c.t, "mktemp", "-d", "/var/tmp/browser.XXXXXX") // its children may write to the last: it goes with the machine
	ctx, cancel := context.WithCancel(context.Background())
	cmd := c.Command(ctx, program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--window-size=1024,768",
		"--remote-debugging-port=0", "--user-data-dir="+dir, "about:blank")
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	var port string
	c.eventually("the browser listens", func() bool {
		b, err := os.ReadFile(c.Path(filepath.Join(dir, "DevToolsActivePort")))
		var whole bool
		port, _, whole = strings.Cut(string(b), "\n")
		return err == nil && whole
	})
	web := c.http()
	var pages []struct{ Type, WebSocketDebuggerURL string }
	c.eventually("the browser has a page", func() bool {
		resp, err := web.Get("http://127.0.0.1:" + port + "/json/list")
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return json.Unmarshal(body, &pages) == nil && len(pages) > 0
	})
	conn, _, err := websocket.Dial(ctx, pages[0].WebSocketDebuggerURL, &websocket.DialOptions{HTTPClient: web})
	if err != nil {
		c.t.Fatal(err)
	}
	conn.SetReadLimit(64 << 20)
	b := &browser{c: c, conn: conn}
	b.do("Page.enable", nil)
	b.do("Runtime.enable", nil)
	b.do("Log.enable", nil)
	return b
}

// do calls a method of the protocol.
func (b *browser) do(method string, params any) json.RawMessage {
	b.c.t.Helper()
	b.id++
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := json.Marshal(obj{"id": b.id, "method": method, "params": params})
	if err != nil {
		b.c.t.Fatal(err)
	}
	if err := b.conn.Write(ctx, websocket.MessageText, req); err != nil {
		b.c.t.Fatal(err)
	}
	for {
		_, raw, err := b.conn.Read(ctx)
		if err != nil {
			b.c.t.Fatalf("%s: %v", method, err)
		}
		var m struct {
			ID     int
			Method string
			Params json.RawMessage
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			b.c.t.Fatal(err)
		}
		switch {
		case m.Method == "Runtime.exceptionThrown", m.Method == "Log.entryAdded" && strings.Contains(string(m.Params), `"level":"error"`):
			b.said = append(b.said, string(m.Params))
		case m.ID == b.id && m.Error != nil:
			b.c.t.Fatalf("%s: %s", method, m.Error.Message)
		case m.ID == b.id:
			return m.Result
		}
	}
}

// eval runs an expression in the page.
func (b *browser) eval(expression string, out any) {
	b.c.t.Helper()
	var r struct {
		Result struct{ Value json.RawMessage }
	}
	if err := json.Unmarshal(b.do("Runtime.evaluate", obj{"expression": expression, "returnByValue": true}), &r); err != nil {
		b.c.t.Fatal(err)
	}
	if len(r.Result.Value) > 0 {
		if err := json.Unmarshal(r.Result.Value, out); err != nil {
			b.c.t.Fatalf("%s: %v in %s", expression, err, r.Result.Value)
		}
	}
}

// errors are what went wrong in the page so far.
func (b *browser) errors() []string { return b.said }

// screenshot writes a picture of the page.
func (b *browser) screenshot(file string) {
	b.c.t.Helper()
	var shot struct{ Data string }
	if err := json.Unmarshal(b.do("Page.captureScreenshot", obj{"format": "png"}), &shot); err != nil {
		b.c.t.Fatal(err)
	}
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(file, png, 0o644)
	}
	if err != nil {
		b.c.t.Fatal(err)
	}
}
