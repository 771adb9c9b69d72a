// Package sagatest proves definitions: whatever is failed, repeated or killed, the world ends as it should.
//
// A World sets up what the definition works on (rows and a pretend or real engine), starts one operation and judges the end. Prove runs it
//   - once undisturbed, on its way to success;
//   - with each step failed for good right after its Do: everything must be unwound;
//   - with each Do and each Undo run twice;
//   - with the process killed before and after each Do, Undo and record, and resumed by another engine.
package sagatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"gostack/internal/saga"
	"gostack/internal/store"
)

// World is one fresh try.
type World struct {
	DB *store.DB
	// Register registers the definitions with an engine; it is called again for each resuming engine.
	Register func(e *saga.Engine)
	// Start stores the operation.
	Start func(ctx context.Context, e *saga.Engine, tx store.Tx) error
	// Done and Undone judge the database and the outside after a success and after an unwinding.
	Done, Undone func(t *testing.T)
}

// Prove runs the whole programme for the definition of a kind. make is called for each try.
func Prove(t *testing.T, kind string, newWorld func(t *testing.T) *World) {
	t.Helper()
	var steps []string
	t.Run("success", func(t *testing.T) {
		w := newWorld(t)
		e := engine(w, nil)
		steps = e.Kinds()[kind]
		if len(steps) == 0 {
			t.Fatalf("kind %q is not registered", kind)
		}
		start(t, w, e)
		settle(t, w, []*saga.Engine{e})
		w.Done(t)
	})
	for _, step := range steps {
		t.Run("unwound from "+step, func(t *testing.T) {
			w := newWorld(t)
			e := engine(w, failAt(kind, step))
			start(t, w, e)
			settle(t, w, []*saga.Engine{e})
			w.Undone(t)
		})
	}
	for _, step := range steps {
		for _, point := range []string{"before-do", "after-do", "after-save"} {
			// Killed after Do and resumed means Do again: each Do is proved to be repeatable.
			t.Run("killed "+point+" "+step, func(t *testing.T) {
				w := newWorld(t)
				crashThenResume(t, w, crashAt(kind, step, point), nil)
				w.Done(t)
			})
		}
		for _, point := range []string{"before-undo", "after-undo", "after-undo-save"} {
			t.Run("killed "+point+" "+step, func(t *testing.T) {
				w := newWorld(t)
				last := steps[len(steps)-1]
				crashThenResume(t, w, both(failAt(kind, last), crashAt(kind, step, point)), failAt(kind, last))
				w.Undone(t)
			})
		}
	}
}

type interpose func(kind, step, point string) error

func failAt(kind, step string) interpose {
	return func(k, s, point string) error {
		if k == kind && s == step && point == "after-do" {
			return saga.Permanent(fmt.Errorf("failed by the test at %s", step))
		}
		return nil
	}
}

func crashAt(kind, step, point string) interpose {
	return func(k, s, p string) error {
		if k == kind && s == step && p == point {
			return saga.ErrCrash
		}
		return nil
	}
}

func both(a, b interpose) interpose {
	return func(k, s, p string) error { return errors.Join(b(k, s, p), a(k, s, p)) }
}

func engine(w *World, f interpose) *saga.Engine {
	e := saga.NewEngine(w.DB, saga.Options{Interpose: f, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	w.Register(e)
	return e
}

func start(t *testing.T, w *World, e *saga.Engine) {
	t.Helper()
	ctx := context.Background()
	if err := w.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error { return w.Start(ctx, e, tx) }); err != nil {
		t.Fatal(err)
	}
	if err := e.Run(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Stop(context.Background()) })
}

// crashThenResume runs an engine until the crash, then another one that takes over its operations.
func crashThenResume(t *testing.T, w *World, f, after interpose) {
	t.Helper()
	crashed := make(chan struct{})
	var once sync.Once
	first := engine(w, func(k, s, p string) error {
		err := f(k, s, p)
		if errors.Is(err, saga.ErrCrash) {
			once.Do(func() { close(crashed) })
		}
		return err
	})
	start(t, w, first)
	select {
	case <-crashed:
	case <-time.After(3 * time.Minute):
		t.Fatal("the walk never came to this point")
	}
	_ = first.Stop(context.Background())
	second := engine(w, after)
	if err := second.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Stop(context.Background()) })
	settle(t, w, []*saga.Engine{second})
}

// settle waits until no operation is left.
func settle(t *testing.T, w *World, engines []*saga.Engine) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(2 * time.Millisecond) {
		n, err := engines[0].Live(context.Background())
		if err == nil && n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d operations are still live (%v)", n, err)
		}
	}
}
