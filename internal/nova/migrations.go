package nova

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Migration is a move of a server to another host, or a change of its flavor.
type (
	Migration       = db.Migration
	MigrationFilter = db.MigrationFilter
)

// The kinds of moves (nova/objects/fields.py, MigrationType).
const (
	TypeMigration     = "migration"
	TypeResize        = "resize"
	TypeLiveMigration = "live-migration"
	TypeEvacuation    = "evacuation"
)

// The states of moves, as upstream's clients know them. A live migration is queued, preparing, running, post-migrating and then
// completed, error, failed or cancelled; a cold one is pre-migrating, migrating, post-migrating, finished and then confirmed or reverted; an
// evacuation is accepted, pre-migrating and done.
const (
	MoveQueued        = "queued"
	MoveAccepted      = "accepted"
	MovePreparing     = "preparing"
	MovePreMigrating  = "pre-migrating"
	MoveRunning       = "running"
	MoveMigrating     = "migrating"
	MovePostMigrating = "post-migrating"
	MoveFinished      = "finished"
	MoveConfirming    = "confirming"
	MoveConfirmed     = "confirmed"
	MoveReverting     = "reverting"
	MoveReverted      = "reverted"
	MoveCompleted     = "completed"
	MoveCancelled     = "cancelled"
	MoveDone          = "done"
	MoveFailed        = "failed"
	MoveError         = "error"
)

// endedMoves are the states in which a move is over (migration_get_in_progress_by_instance).
var endedMoves = []string{MoveConfirmed, MoveReverted, MoveError, MoveFailed, MoveCompleted, MoveCancelled, MoveDone}

// liveInProgress are the states in which a live migration may be looked at by number.
var liveInProgress = []string{MoveQueued, MovePreparing, MoveRunning, MovePostMigrating}

// LiveInProgress tells whether a move is a live migration that goes on.
func LiveInProgress(m *Migration) bool {
	return m.Type == TypeLiveMigration && slices.Contains(liveInProgress, m.Status)
}

// Migrations returns moves, the youngest first; marker is the uuid of the last one of the page before.
func (s *Service) Migrations(ctx context.Context, f MigrationFilter, marker string) ([]*Migration, error) {
	if marker != "" {
		m, err := db.GetMigration(ctx, s.DB.Read(ctx), marker)
		if store.IsNotFound(err) {
			return nil, rest.BadRequest("Marker %s could not be found.", marker)
		}
		if err != nil {
			return nil, err
		}
		f.Marker = m
	}
	return db.ListMigrations(ctx, s.DB.Read(ctx), f)
}

// LiveMigrationsOf returns a server's live migrations that are not over.
func (s *Service) LiveMigrationsOf(ctx context.Context, serverID string) ([]*Migration, error) {
	return db.ListMigrations(ctx, s.DB.Read(ctx), MigrationFilter{ServerID: serverID, Type: TypeLiveMigration, NotStatuses: endedMoves})
}

// LiveMigration returns a server's live migration by number, while it goes on.
func (s *Service) LiveMigration(ctx context.Context, serverID, id string) (*Migration, error) {
	missing := rest.NotFound("In-progress live migration %s is not found for server %s.", id, serverID)
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, missing
	}
	m, err := db.GetServerMigration(ctx, s.DB.Read(ctx), serverID, number)
	switch {
	case store.IsNotFound(err):
		return nil, missing
	case err != nil:
		return nil, err
	case m.Type != TypeLiveMigration:
		return nil, rest.NotFound("Migration %s for server %s is not live-migration.", id, serverID)
	case !LiveInProgress(m):
		return nil, rest.NotFound("Live migration %s for server %s is not in progress.", id, serverID)
	}
	return m, nil
}

// addMigration stores the beginning of a move. What is not set is filled in: uuid, times, who asked.
func (s *Service) addMigration(ctx context.Context, tx store.Tx, c *policy.Caller, m *Migration) error {
	if m.UUID == "" {
		m.UUID = s.newID()
	}
	if m.Details == nil {
		m.Details = json.RawMessage("{}")
	}
	m.CreatedAt = s.Now()
	m.UpdatedAt = m.CreatedAt
	m.UserID, m.ProjectID = &c.UserID, &c.ProjectID
	return db.Insert(ctx, tx, m)
}
