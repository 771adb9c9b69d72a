package bringup

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// Phase is a part of the work that has ended.
type Phase struct {
	Name string        `json:"name"`
	Took time.Duration `json:"took"`
}

// Progress shows one line for each phase: a spinner with the time on a terminal, a plain line when done elsewhere.
type Progress struct {
	out    io.Writer
	spin   *mpb.Progress
	mu     sync.Mutex
	phases []Phase
}

// NewProgress writes to out.
func NewProgress(out io.Writer) *Progress {
	p := &Progress{out: out}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.spin = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40), mpb.WithRefreshRate(100*time.Millisecond))
	}
	return p
}

// Begin starts a phase; the function it returns ends it.
func (p *Progress) Begin(name string) func(error) {
	start := time.Now()
	var bar *mpb.Bar
	if p.spin != nil {
		bar = p.spin.New(0, mpb.SpinnerStyle(), mpb.BarRemoveOnComplete(),
			mpb.AppendDecorators(decor.Name(name+"  "), decor.Elapsed(decor.ET_STYLE_GO)))
	}
	return func(err error) {
		took := time.Since(start)
		if bar != nil {
			bar.Abort(true)
			bar.Wait()
		}
		mark := "done"
		if err != nil {
			mark = "FAILED"
		}
		line := fmt.Sprintf("  %-6s  %-46s %6.1f s\n", mark, name, took.Seconds())
		if p.spin != nil {
			_, _ = p.spin.Write([]byte(line))
		} else {
			_, _ = io.WriteString(p.out, line)
		}
		p.mu.Lock()
		p.phases = append(p.phases, Phase{name, took})
		p.mu.Unlock()
	}
}

// Close puts the terminal in order.
func (p *Progress) Close() {
	if p.spin != nil {
		p.spin.Wait()
	}
}
