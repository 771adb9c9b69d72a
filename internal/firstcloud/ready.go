package firstcloud

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// readyTime is how long the components may take: libvirt looks at every emulator before it answers for the first time.
const readyTime = 6 * time.Minute

// host waits until every component does its work, the one that runs servers last.
func (w *walk) host(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for {
		lacking, err := unready(ctx, w.PublicURL)
		if err == nil && len(lacking) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("not ready: %s; gostack status says why", strings.Join(lacking, ", "))
			}
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// unready asks which components do not do their work yet.
func unready(ctx context.Context, publicURL string) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(publicURL, "/")+"/healthcheck", nil)
	if err != nil {
		return nil, err
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	var answer struct{ Components []string }
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("healthcheck: %w", err)
	}
	if r.StatusCode != http.StatusOK && len(answer.Components) == 0 {
		return nil, fmt.Errorf("healthcheck: %s", r.Status)
	}
	return answer.Components, nil
}
