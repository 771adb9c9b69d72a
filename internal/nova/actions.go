package nova

import (
	"context"

	"gostack/internal/nova/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// ActionFilter narrows a list of instance actions.
type ActionFilter = db.ActionFilter

// Actions returns what users did to a server, newest first.
func (s *Service) Actions(ctx context.Context, f ActionFilter) ([]*Action, error) {
	if f.Marker != "" {
		if _, err := db.GetAction(ctx, s.DB.Read(ctx), f.ServerID, f.Marker); err != nil {
			if store.IsNotFound(err) {
				return nil, rest.BadRequest("marker [%s] not found", f.Marker)
			}
			return nil, err
		}
	}
	return db.ListActions(ctx, s.DB.Read(ctx), f)
}

// ActionOf returns what one request did to a server, with its events, newest first.
func (s *Service) ActionOf(ctx context.Context, serverID, requestID string) (*Action, []*ActionEvent, error) {
	a, err := db.GetAction(ctx, s.DB.Read(ctx), serverID, requestID)
	if store.IsNotFound(err) {
		return nil, nil, rest.NotFound("Action for request_id %s on instance %s not found", requestID, serverID)
	}
	if err != nil {
		return nil, nil, err
	}
	events, err := db.ListActionEvents(ctx, s.DB.Read(ctx), a.Seq)
	return a, events, err
}
