package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Audit asks the first control replica that answers what differs between the database and the world.
func (l *Lab) Audit(ctx context.Context) ([]string, error) {
	var errs []error
	for _, m := range l.Controls {
		if m.Gostack().PID() == 0 {
			continue
		}
		cmd, err := m.Command(ctx, l.Program, "audit", "-o", "json")
		if err != nil {
			return nil, err
		}
		out, err := cmd.Output()
		findings, err := AuditFindings(out, err)
		if err == nil {
			return findings, nil
		}
		errs = append(errs, fmt.Errorf("audit on %s: %w", m.Name, err))
	}
	return nil, errors.Join(append(errs, errors.New("no control replica answers"))...)
}

// Why is the story of a resource, as gostack why tells it.
func (l *Lab) Why(ctx context.Context, id string) string {
	for _, m := range l.Controls {
		if m.Gostack().PID() == 0 {
			continue
		}
		if out, err := m.Run(ctx, l.Program, "why", id); err == nil {
			return out
		}
	}
	return "no control replica tells why"
}

// AuditFindings reads what gostack audit -o json printed, and how it ended.
func AuditFindings(out []byte, ended error) ([]string, error) {
	var report struct {
		Findings []struct{ Area, ID, Problem string }
		Error    string
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return nil, errors.Join(ended, err)
	}
	var list []string
	for _, f := range report.Findings {
		list = append(list, fmt.Sprintf("%s %s: %s", f.Area, f.ID, f.Problem))
	}
	if report.Error != "" {
		return list, errors.New(report.Error)
	}
	return list, nil
}
