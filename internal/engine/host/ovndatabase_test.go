package host

import (
	"crypto/tls"
	"net"
	"slices"
	"testing"
	"time"

	"gostack/internal/cloudca"
)

func TestOVNDatabasesAreLookedAt(t *testing.T) {
	now := time.Now()
	authority, err := cloudca.Create("R OVN", now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := cloudca.NewHolder()
	if err != nil {
		t.Fatal(err)
	}
	text, err := authority.Issue(cloudca.Identity{Control: true}, key.Public(), now, 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := key.Certificate(text, &authority.Roots)
	if err != nil {
		t.Fatal(err)
	}
	// As ovsdb-server: whoever has no certificate hears nothing.
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*cert}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).HandshakeContext(t.Context())
			_ = conn.Close()
		}
	}()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "ssl:" + gone.Addr().String()
	gone.Close()
	here := "ssl:" + l.Addr().String()
	for _, c := range []struct {
		what      string
		at        time.Time
		addresses map[string]string
		want      []Level
	}{
		{"its own", now, map[string]string{"northbound": "unix:/run/ovn/ovnnb_db.sock", "southbound": "unix:/run/ovn/ovnsb_db.sock"}, nil},
		{"a cluster of which one does not answer", now, map[string]string{"northbound": here, "southbound": here + "," + nobody}, []Level{OK, OK, Broken}},
		{"no TLS", now, map[string]string{"southbound": "tcp:127.0.0.1:6642"}, []Level{Degraded}},
		{"soon", now.Add(330 * 24 * time.Hour), map[string]string{"northbound": here}, []Level{Degraded}},
		{"ended", now.Add(400 * 24 * time.Hour), map[string]string{"northbound": here}, []Level{Broken}},
		{"a clock", now.Add(-24 * time.Hour), map[string]string{"northbound": here}, []Level{Broken}},
	} {
		var got []Level
		for _, f := range OVNDatabases(t.Context(), c.at, c.addresses) {
			got = append(got, f.Level)
			if f.What == "" || (f.Level != OK) != (f.Do != "") {
				t.Errorf("%s: %+v", c.what, f)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
