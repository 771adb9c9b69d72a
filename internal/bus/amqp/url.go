package amqp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"gostack/internal/secret"
)

// Address is where the broker is and who we are there.
type Address struct {
	TLS      bool
	Hosts    []string // host:port; the nodes of a cluster
	User     string
	Password secret.String
	VHost    string
}

func (a Address) String() string { return strings.Join(a.Hosts, ",") + "/" + a.VHost }

// ParseURL reads amqp://user:password@host:port,host:port/vhost, or amqps:// for TLS. The port may be absent. Errors do not show the
// password.
func ParseURL(s string) (Address, error) {
	var a Address
	scheme, rest, ok := strings.Cut(s, "://")
	port := "5672"
	switch {
	case ok && scheme == "amqp":
	case ok && scheme == "amqps":
		a.TLS, port = true, "5671"
	default:
		return a, errors.New("the address of a message broker begins with amqp:// or amqps://")
	}
	authority, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(authority, "@")
	if at < 0 {
		return a, errors.New("the address of the message broker names no user")
	}
	user, password, _ := strings.Cut(authority[:at], ":")
	var err error
	if a.User, err = url.PathUnescape(user); err != nil || a.User == "" {
		return a, errors.New("the user in the message broker's address does not read")
	}
	revealed, err := url.PathUnescape(password)
	if err != nil {
		return a, errors.New("the password in the message broker's address does not read")
	}
	a.Password = secret.New(revealed)
	for h := range strings.SplitSeq(authority[at+1:], ",") {
		if h == "" || strings.ContainsAny(h, "?# ") {
			return a, fmt.Errorf("%q is not the address of a message broker", h)
		}
		if _, _, err := net.SplitHostPort(h); err != nil {
			h = net.JoinHostPort(strings.Trim(h, "[]"), port)
		}
		a.Hosts = append(a.Hosts, h)
	}
	if a.VHost, err = url.PathUnescape(path); err != nil {
		return a, errors.New("the virtual host in the message broker's address does not read")
	}
	if a.VHost == "" {
		a.VHost = "/"
	}
	return a, nil
}

// tlsConfig trusts the authorities in caFile, or the system's. The broker's certificate must be for the name by which we call it
// (OSSN-0096: oslo.messaging did not look).
func tlsConfig(caFile, certFile, keyFile string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", caFile)
		}
	}
	if certFile != "" || keyFile != "" {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
