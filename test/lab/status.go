package lab

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

// Status prints every machine with its processes.
func (l *Lab) Status(out io.Writer) {
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "MACHINE\tADDRESS\tPROCESS\tPID")
	for _, m := range l.Machines() {
		if !m.Powered() {
			fmt.Fprintf(w, "%s\t%s\toff\t\n", m.Name, m.Address)
			continue
		}
		if len(m.Processes) == 0 {
			fmt.Fprintf(w, "%s\t%s\t\t\n", m.Name, m.Address)
		}
		for _, p := range m.Processes {
			state := "does not run"
			if pid := p.PID(); pid != 0 {
				state = fmt.Sprint(pid)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.Name, m.Address, p.Name, state)
		}
	}
	_ = w.Flush()
}

// Autopsy prints what helps to understand a failure: what runs, and the ends of the logs.
func (l *Lab) Autopsy(out io.Writer) {
	l.Status(out)
	for _, m := range l.Machines() {
		if !m.Powered() {
			continue
		}
		for _, p := range m.Processes {
			if text := trouble(p); text != "" {
				fmt.Fprintf(out, "--- %s on %s:\n%s\n", p.Name, m.Name, text)
			}
		}
	}
}

// trouble is the end of a process's log without what it says while all is well.
func trouble(p *Process) string {
	b, err := os.ReadFile(p.Machine.Path(p.Log()))
	if err != nil {
		return ""
	}
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n") {
		if !strings.Contains(line, "|INFO|") && !strings.Contains(line, `"level":"INFO"`) && !strings.Contains(line, " LOG:  ") && !strings.Contains(line, "[info]") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
