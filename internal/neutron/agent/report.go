package agent

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/sb"
)

// idSpace is the name space of agents' ids.
var idSpace = uuid.MustParse("6e1f1a52-0b0f-4c9c-a9a1-6f3d8e0a4b11")

// ID is the id of the metadata agent of a chassis.
func ID(chassis string) string { return uuid.NewSHA1(idSpace, []byte(chassis)).String() }

// report tells the control side that the agent is alive and has applied everything up to the present configuration number, by the
// same means as ovn-controller.
func (a *Agent) report(ctx context.Context, chassis string) error {
	globals, err := ovsdb.List[sb.Global](ctx, a.sb, nil)
	if err != nil || len(globals) != 1 {
		return err
	}
	rows, err := ovsdb.List(ctx, a.sb, func(c *sb.ChassisPrivate) bool { return c.Name == chassis })
	if err != nil || len(rows) != 1 {
		return err
	}
	row, seen := rows[0], strconv.Itoa(globals[0].NbCfg)
	if row.ExternalIDs[sb.MetadataIDKey] == ID(chassis) && row.ExternalIDs[sb.MetadataConfigKey] == seen {
		return nil
	}
	if row.ExternalIDs == nil {
		row.ExternalIDs = map[string]string{}
	}
	row.ExternalIDs[sb.MetadataIDKey], row.ExternalIDs[sb.MetadataConfigKey] = ID(chassis), seen
	ops, err := a.sb.Update(ctx, row, "external_ids")
	if err != nil {
		return err
	}
	return a.sb.Transact(ctx, ops...)
}
