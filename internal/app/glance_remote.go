package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"gostack/internal/cloudca"
	"gostack/internal/glance"
)

// Control replicas that do not share a directory of image data give each other what each has, over their own listeners: path, and a ticket of the cloud's authority
// for one file, which every replica can make and check because the authority is in the database.
const (
	imageDataPath   = "/internal/image-data/"
	imageDataTicket = "X-Gostack-Ticket"
	imageDataPeer   = "X-Gostack-Replica"
	// imageTicketLife is how long a ticket is good; a transfer that has begun goes on.
	imageTicketLife = 5 * time.Minute
)

// replicaImages is the image data of the other control replicas.
type replicaImages struct {
	h      *House
	client *http.Client
}

// otherImages is nil where there is one control process only.
func (h *House) otherImages() glance.Remote {
	if h.Replicas == nil || !h.Replicas.Shared() {
		return nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if pem, err := os.ReadFile(h.Config.TLSCert); err == nil {
		roots.AppendCertsFromPEM(pem) // replicas with a certificate of their own making
	}
	return &replicaImages{h, &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ResponseHeaderTimeout: 10 * time.Second, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute,
	}}}
}

// ask sends a request to the replica with the tag.
func (r *replicaImages) ask(ctx context.Context, method, tag, key string, offset int64) (*http.Response, error) {
	members, err := r.h.Replicas.Members(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", glance.ErrAway, err)
	}
	for _, m := range members {
		if glance.HostTag(m.Name) != tag {
			continue
		}
		resp, err := r.askOne(ctx, method, m.Address, key, offset)
		if err != nil && !errors.Is(err, glance.ErrAbsent) {
			err = fmt.Errorf("%w: %s: %w", glance.ErrAway, m.Name, err)
		}
		return resp, err
	}
	return nil, fmt.Errorf("%w: no control replica of that name is known", glance.ErrAway)
}

func (r *replicaImages) askOne(ctx context.Context, method, address, key string, offset int64) (*http.Response, error) {
	authority, err := r.h.Hosts.Authority(ctx)
	if err != nil {
		return nil, err
	}
	me := r.h.Config.Host
	ticket, err := authority.Ticket(cloudca.Ticket{Service: imageDataPath, Subject: key, Holder: me, Until: r.h.Clock.Now().Add(imageTicketLife)})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(address, "/")+imageDataPath+key, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set(imageDataTicket, ticket)
	req.Header.Set(imageDataPeer, me)
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
		return resp, nil
	case http.StatusNotFound:
		err = glance.ErrAbsent
	default:
		err = fmt.Errorf("it answers %s", resp.Status)
	}
	_ = resp.Body.Close()
	return nil, err
}

// Open implements glance.Remote.
func (r *replicaImages) Open(ctx context.Context, tag, key string, offset int64) (io.ReadCloser, error) {
	resp, err := r.ask(ctx, http.MethodGet, tag, key, offset)
	if err != nil {
		return nil, err
	}
	if offset > 0 && resp.StatusCode != http.StatusPartialContent {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%w: it does not give a part", glance.ErrAway)
	}
	return resp.Body, nil
}

// Size implements glance.Remote.
func (r *replicaImages) Size(ctx context.Context, tag, key string) (int64, error) {
	resp, err := r.ask(ctx, http.MethodHead, tag, key, 0)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	return strconv.ParseInt(resp.Header.Get("X-Gostack-Size"), 10, 64)
}

// serveImageData answers other replicas.
func (h *House) serveImageData() {
	h.Root[imageDataPath] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := strings.TrimPrefix(r.URL.Path, imageDataPath)
		roots, err := h.Hosts.Roots(r.Context())
		if err != nil {
			http.Error(w, "the authority is not known at the moment", http.StatusServiceUnavailable)
			return
		}
		if err := roots.CheckTicket(r.Header.Get(imageDataTicket), h.Clock.Now(), imageDataPath, key, r.Header.Get(imageDataPeer)); err != nil {
			http.Error(w, "a ticket is needed", http.StatusForbidden)
			return
		}
		f, size, err := h.Glance.Own(key)
		if errors.Is(err, glance.ErrAbsent) {
			http.Error(w, "not here", http.StatusNotFound)
			return
		}
		if err != nil {
			http.Error(w, "it cannot be read", http.StatusInternalServerError)
			return
		}
		defer func() { _ = f.Close() }()
		w.Header().Set("X-Gostack-Size", strconv.FormatInt(size, 10))
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, f)
	})
}
