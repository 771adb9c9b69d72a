package host

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// soon is how long before its end a certificate that people put in place by hand is worth a word.
const soon = 60 * 24 * time.Hour

// OVNDatabases looks whether OVN's databases answer at their addresses, by TLS, and until when their certificates are good. Addresses on this machine are left to the
// engines' findings. Nobody's rights are needed for it.
func OVNDatabases(ctx context.Context, now time.Time, addresses map[string]string) (all []Finding) {
	for _, name := range []string{"northbound", "southbound"} {
		for _, address := range strings.FieldsFunc(addresses[name], func(r rune) bool { return r == ',' || r == ' ' }) {
			kind, at, _ := strings.Cut(address, ":")
			f := Finding{Name: "ovn " + name + " database", Level: OK}
			switch kind {
			case "unix":
				continue
			case "ssl":
				cert, err := shownCertificate(ctx, at)
				f.Level, f.What, f.Do = databaseCertificate(address, cert, err, now)
			default:
				f.Level, f.What = Degraded, address+" is not TLS: whoever reaches it can change all networks of the cloud"
				f.Do = "see OVN's databases in the operator's manual: gostack ovn certificate"
			}
			all = append(all, f)
		}
	}
	return all
}

// shownCertificate is what a server shows to somebody without a certificate, before it sends him away.
func shownCertificate(ctx context.Context, address string) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	var shown *x509.Certificate
	conn := tls.Client(raw, &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // nothing is said or believed here: the certificate is only looked at
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) > 0 {
				shown = s.PeerCertificates[0]
			}
			return nil
		},
	})
	if err := conn.HandshakeContext(ctx); err != nil && shown == nil {
		return nil, err
	}
	if shown == nil {
		return nil, errors.New("it shows no certificate")
	}
	return shown, nil
}

func databaseCertificate(address string, cert *x509.Certificate, err error, now time.Time) (Level, string, string) {
	const renew = "gostack ovn certificate on control, and its files to the machine of OVN's databases, key.pem last"
	switch {
	case err != nil:
		return Broken, fmt.Sprintf("%s: %v", address, err), "see whether it runs and listens there (ovn-nbctl or ovn-sbctl get-connection, get-ssl), and whether the port is open from here; servers and their traffic run on meanwhile"
	case now.After(cert.NotAfter):
		return Broken, fmt.Sprintf("%s: its certificate has ended at %s: nobody connects any more, what is connected stays", address, cert.NotAfter.UTC().Format(time.RFC3339)), renew
	case now.Before(cert.NotBefore):
		return Broken, fmt.Sprintf("%s: its certificate begins at %s: a clock is wrong", address, cert.NotBefore.UTC().Format(time.RFC3339)), "set the clocks"
	case cert.NotAfter.Sub(now) < soon:
		return Degraded, fmt.Sprintf("%s: its certificate is good until %s", address, cert.NotAfter.UTC().Format(time.DateOnly)), renew
	}
	return OK, fmt.Sprintf("%s answers by TLS; its certificate is good until %s", address, cert.NotAfter.UTC().Format(time.DateOnly)), ""
}
