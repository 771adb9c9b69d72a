// Package webfetch reads addresses that tenants give, without letting them reach what only the cloud itself can reach.
//
// An address is judged by its words (scheme, host, port: upstream's import_filtering_opts) and again by where it leads: each
// connection is made to an IP address that was judged itself, after all redirects and name lookups, so that neither a redirect
// nor a name that resolves differently the second time leads elsewhere (OSSA-2026-004). Proxies of the environment, cookies and
// credentials are not used.
package webfetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrRefused says that an address may not be read.
var ErrRefused = errors.New("the address does not pass filtering")

// Rules are what may be read. A list of what is allowed goes before the list of what is not, which then is not looked at.
type Rules struct {
	AllowedSchemes, DisallowedSchemes []string
	AllowedHosts, DisallowedHosts     []string
	AllowedPorts, DisallowedPorts     []int
	// Networks are ranges of loopback, private, link-local and other special addresses that may be read all the same.
	Networks []netip.Prefix
}

// Default are upstream's rules.
func Default() Rules {
	return Rules{AllowedSchemes: []string{"http", "https"}, AllowedPorts: []int{80, 443}}
}

// Check judges an address by its words.
func (r Rules) Check(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return ErrRefused
	}
	return r.check(u)
}

func permitted[T comparable](value T, allowed, disallowed []T) bool {
	if len(allowed) > 0 {
		return slices.Contains(allowed, value)
	}
	return !slices.Contains(disallowed, value)
}

func (r Rules) check(u *url.URL) error {
	scheme, host := strings.ToLower(u.Scheme), strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	port := map[string]int{"http": 80, "https": 443}[scheme]
	if text := u.Port(); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 65535 {
			return ErrRefused
		}
		port = n
	}
	switch {
	case scheme != "http" && scheme != "https", host == "", u.User != nil, oddAddress(host):
	case !permitted(scheme, r.AllowedSchemes, r.DisallowedSchemes):
	case !permitted(host, lower(r.AllowedHosts), lower(r.DisallowedHosts)):
	case !permitted(port, r.AllowedPorts, r.DisallowedPorts):
	default:
		return nil
	}
	return ErrRefused
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}

// oddAddress tells whether a host is an IP address in a notation that some libraries read and others do not: decimal, octal,
// hexadecimal, with fewer than four parts, or with a zone.
func oddAddress(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Zone() != ""
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	last = strings.TrimPrefix(last, "0x")
	return last == "" || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(host, "0x")
}

// special are ranges that are nobody's public servers, beside those that package netip knows.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("100::/64"),
}

// reachable judges an IP address that a connection is about to be made to. named says that the operator allows its host by name.
func (r Rules) reachable(ip netip.Addr, named bool) bool {
	ip = ip.Unmap()
	if slices.ContainsFunc(r.Networks, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return true
	}
	if !ip.IsGlobalUnicast() || slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return false
	}
	return named || !ip.IsPrivate()
}

// Client reads addresses. Safe for concurrent use.
type Client struct {
	rules Rules
	http  *http.Client
}

type namedKey struct{}

// New makes a client that obeys the rules.
func New(rules Rules) *Client {
	c := &Client{rules: rules}
	dialer := &net.Dialer{Timeout: 15 * time.Second, ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		named, _ := ctx.Value(namedKey{}).(bool)
		if err != nil || !rules.reachable(to.Addr(), named) {
			return ErrRefused
		}
		return nil
	}}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				host, _, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				return dialer.DialContext(context.WithValue(ctx, namedKey{}, slices.Contains(lower(rules.AllowedHosts), strings.ToLower(host))), network, address)
			},
			TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: 60 * time.Second, MaxIdleConns: 4, IdleConnTimeout: 30 * time.Second,
			DisableCompression: true,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 10 {
				return errors.New("too many redirects")
			}
			return rules.check(req.URL)
		},
	}
	return c
}

// Check judges an address by its words, as Rules.Check.
func (c *Client) Check(address string) error { return c.rules.Check(address) }

// Open reads an address from offset on. size is how long the whole is, -1 when the server does not say.
func (c *Client) Open(ctx context.Context, address string, offset int64) (body io.ReadCloser, size int64, err error) {
	resp, err := c.do(ctx, http.MethodGet, address, offset)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case resp.StatusCode == http.StatusOK && offset == 0:
		return resp.Body, resp.ContentLength, nil
	case resp.StatusCode == http.StatusPartialContent && offset > 0 && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)):
		return resp.Body, offset + resp.ContentLength, nil
	case resp.StatusCode == http.StatusOK: // it gives no parts
		if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
			resp.Body.Close()
			return nil, 0, err
		}
		return resp.Body, resp.ContentLength, nil
	}
	resp.Body.Close()
	return nil, 0, fmt.Errorf("the server of the address answers %d", resp.StatusCode)
}

// Size says how long the data at an address is, -1 when the server does not say.
func (c *Client) Size(ctx context.Context, address string) (int64, error) {
	resp, err := c.do(ctx, http.MethodHead, address, 0)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the server of the address answers %d", resp.StatusCode)
	}
	return resp.ContentLength, nil
}

func (c *Client) do(ctx context.Context, method, address string, offset int64) (*http.Response, error) {
	if err := c.rules.Check(address); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, ErrRefused
	}
	req.Header.Set("User-Agent", "gostack-glance")
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	return c.http.Do(req)
}
