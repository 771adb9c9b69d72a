package neutron

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/policy"
)

// LogNotFound is a 404.
func LogNotFound(id string) error {
	return missing("LogResourceNotFound", "Log resource %s could not be found.", id)
}

// LoggableResources are the types of resources whose decisions can be logged.
var LoggableResources = []string{"security_group"}

// Logs lists a caller's logs.
func (s *Service) Logs(ctx context.Context, c *policy.Caller, q db.Query) ([]*db.Log, error) {
	if !c.IsAdmin() {
		q = q.And(db.Where("t.project_id = ?", c.ProjectID))
	}
	return db.Logs(ctx, s.DB.Read(ctx), q)
}

// CreateLog has decisions logged.
func (s *Service) CreateLog(ctx context.Context, c *policy.Caller, v attr.Values) (*db.Log, error) {
	l := &db.Log{
		Name: v.String("name"), Enabled: v.Bool("enabled"), ResourceType: v.String("resource_type"), Event: v.String("event"),
		ResourceID: v.String("resource_id"), TargetID: v.String("target_id"),
	}
	return l, s.write(ctx, func(ctx context.Context, u *unit) error {
		l.ID, l.Revision = s.newID(), 0
		if err := u.loggable(ctx, c, l); err != nil {
			return err
		}
		if err := u.create(ctx, l, v.String("project_id"), v.String("description")); err != nil {
			return err
		}
		return u.loggedChanged(ctx, l)
	})
}

// loggable checks what a log is for (upstream's logapi validators).
func (u *unit) loggable(ctx context.Context, c *policy.Caller, l *db.Log) error {
	if l.ResourceType != LoggableResources[0] {
		return bad("InvalidLogResourceType", "Invalid log resource_type: %s.", l.ResourceType)
	}
	if l.ResourceID != "" {
		g, err := db.Get[db.SecurityGroup](ctx, u.tx, l.ResourceID)
		if err == nil && g.ProjectID != c.ProjectID && !c.IsAdmin() {
			err = missing("ResourceNotFound", "Resource %s could not be found.", l.ResourceID)
		}
		if err != nil {
			return or(err, missing("ResourceNotFound", "Resource %s could not be found.", l.ResourceID))
		}
	}
	if l.TargetID == "" {
		return nil
	}
	absent := missing("TargetResourceNotFound", "Target resource %s could not be found.", l.TargetID)
	p, err := db.Get[db.Port](ctx, u.tx, l.TargetID)
	if err != nil {
		return or(err, absent)
	}
	if p.ProjectID != c.ProjectID && !c.IsAdmin() {
		return absent
	}
	if l.ResourceID == "" {
		return nil
	}
	member, err := u.tx.NewSelect().Model((*db.PortSecurityGroup)(nil)).Where("t.port_id = ? AND t.group_id = ?", l.TargetID, l.ResourceID).Exists(ctx)
	if err == nil && !member {
		err = bad("InvalidResourceConstraint", "Invalid resource constraint between resource (security_group %s) and target resource (port %s).", l.ResourceID, l.TargetID)
	}
	return err
}

// loggedChanged has the groups realised that a log is for, and what is dropped for lack of a rule.
func (u *unit) loggedChanged(ctx context.Context, l *db.Log) error {
	var groups []string
	q := u.tx.NewSelect().Model((*db.SecurityGroup)(nil)).Column("id")
	switch {
	case l.ResourceID != "":
		q.Where("t.id = ?", l.ResourceID)
	case l.TargetID != "":
		q.Where("t.id IN (SELECT group_id FROM neutron_port_security_groups WHERE port_id = ?)", l.TargetID)
	default:
		q.Where("t.project_id = ?", l.ProjectID)
	}
	err := q.Scan(ctx, &groups)
	u.changed(kindSecurityGroup, groups...)
	u.changed(kindLogging, driver.LoggingID)
	return err
}

// UpdateLog changes what v names.
func (s *Service) UpdateLog(ctx context.Context, id string, v attr.Values) (*db.Log, error) {
	var l *db.Log
	return l, s.write(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if l, err = db.Get[db.Log](ctx, u.tx, id); err != nil {
			return or(err, LogNotFound(id))
		}
		setText(v, "name", &l.Name)
		setText(v, "description", &l.Description)
		setBool(v, "enabled", &l.Enabled)
		if err := u.update(ctx, l); err != nil {
			return err
		}
		return u.loggedChanged(ctx, l)
	})
}

// DeleteLog ends a log.
func (s *Service) DeleteLog(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		l, err := db.Get[db.Log](ctx, u.tx, id)
		if err != nil {
			return or(err, LogNotFound(id))
		}
		if err := db.Delete(ctx, u.tx, l); err != nil {
			return err
		}
		return u.loggedChanged(ctx, l)
	})
}

// dropLogsOf deletes the logs of groups or ports that go.
func (u *unit) dropLogsOf(ctx context.Context, ids []string) error {
	r, err := u.tx.NewDelete().Model((*db.Log)(nil)).Where("resource_id IN (?0) OR target_id IN (?0)", bun.List(ids)).Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return err
	}
	u.changed(kindLogging, driver.LoggingID)
	return nil
}

const (
	eventAccept = "ACCEPT"
	eventDrop   = "DROP"
)

// needLogs loads the logs that are switched on, oldest first.
func (b *specs) needLogs(ctx context.Context) error {
	if b.logsKnown {
		return nil
	}
	rows, err := db.Logs(ctx, b.h, db.Query{Where: []db.Cond{db.Where("t.enabled")}, Sort: []db.Order{{Expr: "t.created_at"}}})
	if err != nil {
		return err
	}
	b.logs, b.logsKnown = rows, true
	var targets []string
	for _, l := range rows {
		if l.TargetID != "" {
			targets = append(targets, l.TargetID)
		}
	}
	if len(targets) == 0 {
		return nil
	}
	members, err := db.Find[db.PortSecurityGroup](ctx, b.h, func(q *bun.SelectQuery) { q.Where("t.port_id IN (?)", bun.List(targets)) })
	b.targetGroups = map[[2]string]bool{}
	for _, m := range members {
		b.targetGroups[[2]string{m.PortID, m.GroupID}] = true
	}
	return err
}

// logOf is the log that a group's accepted packets are written for, "" for none. A rule can only be logged for one; the oldest has it.
func (b *specs) logOf(g *db.SecurityGroup) string {
	for _, l := range b.logs {
		switch {
		case l.Event == eventDrop:
		case l.ResourceID == g.ID,
			l.ResourceID == "" && l.TargetID != "" && b.targetGroups[[2]string{l.TargetID, g.ID}],
			l.ResourceID == "" && l.TargetID == "" && l.ProjectID == g.ProjectID:
			return l.ID
		}
	}
	return ""
}

// addLogging says what is logged of packets that no group accepts: OVN drops them for all ports alike, so all of them are logged.
func (b *specs) addLogging(ctx context.Context, d *driver.Desired) error {
	if err := b.needLogs(ctx); err != nil {
		return err
	}
	d.Logging = &driver.LoggingSpec{On: len(b.logs) > 0}
	for _, l := range b.logs {
		if l.Event != eventAccept {
			d.Logging.Drops = l.ID
			break
		}
	}
	return nil
}

// targetMoved has the logs follow that are about a port whose groups have changed.
func (u *unit) targetMoved(ctx context.Context, port string) error {
	rows, err := db.Find[db.Log](ctx, u.tx, func(q *bun.SelectQuery) { q.Where("t.target_id = ?", port) })
	if err != nil || len(rows) == 0 {
		return err
	}
	var groups []string // that accept packets for this log now, and those that did
	err = u.tx.NewSelect().Model((*db.SecurityGroup)(nil)).Column("id").Where("t.project_id = ?", rows[0].ProjectID).Scan(ctx, &groups)
	u.changed(kindSecurityGroup, groups...)
	return err
}
