package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"gostack/internal/engine/qemuimg"
	"gostack/internal/glance"
	glanceapi "gostack/internal/glance/api"
	"gostack/internal/glance/ops"
	"gostack/internal/keystone"
	"gostack/internal/store"
)

// glanceAPI is the image service: images as rows, their data as files below the state directory.
var glanceAPI = Component{
	Name: "glance-api", What: "Image API: images, their data, sharing",
	Needs: []string{"keystone-api"}, Control: true, Migrations: []store.Migrations{glance.Migrations}, Build: buildGlance,
}

func buildGlance(_ context.Context, h *House) (Unit, error) {
	cfg := glance.Config{
		Dir: filepath.Join(h.Config.StateDir, "images"), Staging: filepath.Join(h.Config.StateDir, "staging"),
		Host: h.Config.Host, Remote: h.otherImages(), Clock: h.Clock, Log: h.Log,
		Silent: h.Config.Notifications.DisabledGlance,
	}
	if err := cfg.Configure(h.Config.Glance.Backends, h.Config.Glance.Options); err != nil {
		return Unit{}, fmt.Errorf("glance: %w", err)
	}
	cfg.Import.Tool = &qemuimg.Tool{}
	if cfg.Cache.Node == "" {
		cfg.Cache.Node = h.Config.InternalURL
	}
	cfg.Limits = glanceLimits{h.Keystone, h.Config.Region}
	cfg.Properties.Policy = h.Config.Policy
	service, err := glance.New(h.DB, cfg)
	if err != nil {
		return Unit{}, err
	}
	ops.New(service, h.Saga)
	h.Glance = service
	h.serveImages()
	if h.Replicas.Shared() {
		h.serveImageData()
	}
	h.Serve(glanceapi.Service(service))
	h.Auditors = append(h.Auditors, Auditor{Area: "images", Audit: func(ctx context.Context, repair bool) ([]Finding, error) {
		run := service.Audit
		if repair {
			run = service.Reconcile
		}
		found, err := run(ctx)
		findings := make([]Finding, len(found))
		for i, f := range found {
			id := f.Image
			if id == "" {
				id = f.Key
			}
			findings[i] = Finding{ID: id, Problem: f.Detail, Repaired: repair && f.Repairable()}
		}
		return findings, err
	}})
	return Unit{Start: service.Start, Stop: service.Stop, Ready: service.Ready}, nil
}

// glanceLimits are Keystone's limits of the image service's resources.
type glanceLimits struct {
	keystone *keystone.Service
	region   string
}

// imageType is the image service's in the catalogue.
const imageType = "image"

func (l glanceLimits) Enforce(ctx context.Context, project string, deltas map[string]int64, usage glance.Usage) error {
	err := l.keystone.EnforceLimits(ctx, project, imageType, l.region, deltas, usage)
	var over keystone.OverLimits
	if errors.As(err, &over) {
		return glance.OverLimitError{Text: over.Error()}
	}
	return err
}

func (l glanceLimits) Of(ctx context.Context, project string) (map[string]int64, error) {
	return l.keystone.Limits(ctx, project, imageType, l.region)
}
