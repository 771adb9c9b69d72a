package nova

import (
	"time"

	"gostack/internal/nova/driver"
)

// KindLive is the operation that moves a server to another host while it runs: LiveMoveState.
const KindLive = "nova.server.live_migrate"

// TaskMigrating is the task_state of a server that moves while it runs.
const TaskMigrating = "migrating"

// LiveMoveState is what a live migration begins with.
type LiveMoveState struct {
	ServerID   string   `json:"server_id"`
	Migration  string   `json:"migration"` // its uuid
	SourceHost string   `json:"source_host"`
	SourceNode string   `json:"source_node"`
	SourceZone string   `json:"source_zone"`
	Target     string   `json:"target,omitempty"` // the only host that an administrator wants
	Force      bool     `json:"force,omitempty"`  // that host without the scheduler's filters
	Block      *bool    `json:"block,omitempty"`  // whether disks must be copied; nil is as it has to be
	OverCommit bool     `json:"over_commit,omitempty"`
	Progress   LiveMove `json:"progress"`
}

// LiveMove is what a live migration has found out on its way.
type LiveMove struct {
	Choice  *Place          `json:"choice,omitempty"`
	Tried   []string        `json:"tried,omitempty"`
	Details string          `json:"details,omitempty"`
	FreeMB  int             `json:"free_mb,omitempty"` // memory of the choice that is free
	Plan    driver.LivePlan `json:"plan"`
	Zone    string          `json:"zone,omitempty"`
	PortIDs []string        `json:"port_ids,omitempty"`
	// Begun says that the source may have been told to begin.
	Begun bool `json:"begun,omitempty"`
	// Landed says that the server runs on the destination: from then on there is no way back.
	Landed bool `json:"landed,omitempty"`
	// PausedMS is how long an emulated server was held while its memory went, in milliseconds, as its source has said.
	PausedMS int64 `json:"paused_ms,omitempty"`
	// Aborted says that the source gave up, because it took too long.
	Aborted bool `json:"aborted,omitempty"`
}

// LiveConfig is what an operator may set for live migrations; the zero value is upstream's defaults.
type LiveConfig struct {
	// CompletionTimeout is what a move may take for each GiB; 0 is 800 seconds, below 0 there is no end.
	CompletionTimeout time.Duration
	// ForceComplete forces a move that takes longer; else it is aborted.
	ForceComplete bool
	// PostCopy permits that a forced server runs on the destination before all of its memory is there.
	PostCopy bool
	// Concurrent is how many servers may leave a host at once; 0 is one.
	Concurrent int
}

// limits are what the source is told.
func (c LiveConfig) limits() driver.LiveLimits {
	l := driver.LiveLimits{
		CompletionTimeout: max(0, c.CompletionTimeout), ForceComplete: c.ForceComplete, PostCopy: c.PostCopy,
		// live_migration_downtime, _steps and _delay
		Downtime: 500 * time.Millisecond, DowntimeSteps: 10, DowntimeDelay: 75 * time.Second,
	}
	if c.CompletionTimeout == 0 {
		l.CompletionTimeout = 800 * time.Second
	}
	return l
}

// LiveLimits say how long live migrations may take.
func (s *Service) LiveLimits() driver.LiveLimits { return s.Config.Live.limits() }

// LiveConcurrency is how many servers may leave a host at once (upstream's max_concurrent_live_migrations).
func (s *Service) LiveConcurrency() int { return max(1, s.Config.Live.Concurrent) }
