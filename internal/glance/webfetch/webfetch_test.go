package webfetch

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	for address, ok := range map[string]bool{
		"http://example.com/x": true, "https://example.com:443/x": true, "HTTP://EXAMPLE.com": true, "http://93.184.216.34/": true, "http://[2606:2800::1]/": true,
		"ftp://example.com/": false, "file:///etc/passwd": false, "http:///x": false, "http://example.com:22/": false, "http://example.com:99999/": false,
		"http://user:pass@example.com/": false, "": false, "example.com": false, "http://%zz/": false, "gopher://x/": false,
		// Notations of 127.0.0.1 that some libraries read (OSSA-2026-004).
		"http://2130706433/": false, "http://0177.0.0.1/": false, "http://0x7f.0.0.1/": false, "http://0x7f000001/": false, "http://127.1/": false, "http://127.0.0.1./": true,
		"http://[fe80::1%25eth0]/": false, "http://1.2.3.0x4/": false,
	} {
		if err := Default().Check(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
	r := Rules{DisallowedHosts: []string{"Bad.example"}, DisallowedPorts: []int{22}, DisallowedSchemes: []string{"http"}}
	for address, ok := range map[string]bool{
		"https://good.example/": true, "https://bad.example/": false, "https://bad.example./": false, "https://good.example:22/": false, "http://good.example/": false, "https://good.example:8080/": true,
	} {
		if err := r.Check(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
	r = Rules{AllowedHosts: []string{"a.example"}, DisallowedHosts: []string{"a.example"}}
	if r.Check("http://a.example/") != nil || r.Check("http://b.example/") == nil {
		t.Error("what is allowed does not go before what is not")
	}
}

func TestAddresses(t *testing.T) {
	for ip, ok := range map[string]bool{
		"93.184.216.34": true, "2606:2800::1": true, "127.0.0.1": false, "::1": false, "10.0.0.1": false, "192.168.1.1": false, "172.16.0.1": false,
		"169.254.169.254": false, "fe80::1": false, "fd00::1": false, "::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "0.0.0.0": false, "::": false,
		"224.0.0.1": false, "ff02::1": false, "100.64.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "255.255.255.255": false, "198.18.0.1": false,
	} {
		if got := Default().reachable(netip.MustParseAddr(ip), false); got != ok {
			t.Errorf("%s: %t", ip, got)
		}
	}
	if !Default().reachable(netip.MustParseAddr("10.0.0.1"), true) || Default().reachable(netip.MustParseAddr("169.254.169.254"), true) {
		t.Error("a host that is allowed by name")
	}
}

// server answers on loopback; its client may go to one loopback address only.
func server(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *Client) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return s, New(Rules{AllowedSchemes: []string{"http"}, AllowedPorts: []int{port}, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
}

func TestReading(t *testing.T) {
	s, c := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/whole":
			_, _ = io.WriteString(w, "0123456789")
		case "/parts":
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
		default:
			http.NotFound(w, r)
		}
	})
	for _, path := range []string{"/whole", "/parts"} {
		for offset, want := range map[int64]string{0: "0123456789", 4: "456789"} {
			body, size, err := c.Open(t.Context(), s.URL+path, offset)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			body.Close()
			if string(got) != want || size != 10 || err != nil {
				t.Errorf("%s from %d: %q of %d, %v", path, offset, got, size, err)
			}
		}
		if size, err := c.Size(t.Context(), s.URL+path); size != 10 || err != nil {
			t.Errorf("size %d, %v", size, err)
		}
	}
	if _, _, err := c.Open(t.Context(), s.URL+"/none", 0); err == nil {
		t.Error("a 404 was read")
	}
}

// Redirects are judged, and so is the address that a name leads to.
func TestRedirectsAndNames(t *testing.T) {
	hits := 0
	s, c := server(t, func(w http.ResponseWriter, r *http.Request) {
		hits++
		to := r.URL.Query().Get("to")
		if to == "" {
			fmt.Fprint(w, "secret")
			return
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{
		"http://127.0.0.2:" + port + "/", "http://[::1]:" + port + "/", "file:///etc/passwd", "http://127.0.0.1:22/", "http://2130706433:" + port + "/",
		"http://169.254.169.254:" + port + "/latest",
	} {
		if _, _, err := c.Open(t.Context(), s.URL+"/?to="+url.QueryEscape(to), 0); !errors.Is(err, ErrRefused) {
			t.Errorf("a redirect to %s: %v", to, err)
		}
	}
	strict := New(Rules{})
	before := hits
	for _, address := range []string{s.URL, "http://localhost:" + port} {
		if _, _, err := strict.Open(t.Context(), address, 0); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if hits != before {
		t.Error("a connection was made to an address that is refused")
	}
	if body, _, err := c.Open(t.Context(), s.URL+"/?to=/", 0); err != nil {
		t.Errorf("a good redirect: %v", err)
	} else {
		body.Close()
	}
}
