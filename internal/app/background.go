package app

import (
	"context"
	"errors"
	"log/slog"
)

// worker is a component that works until it is stopped.
type worker struct {
	name string
	log  *slog.Logger
	run  func(context.Context) error // works until its context ends; an error is the end of the component
	// ready says what is missing; asked only while run works.
	ready func(context.Context) error
	// stopped gives back what run used, once it has ended.
	stopped func()
}

// unit is what the house starts and stops. One that has never been started stops at once.
func (w worker) unit() Unit {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	started := false
	var ended error
	return Unit{
		Start: func(context.Context) error {
			started = true
			go func() {
				defer close(done)
				if ended = w.run(ctx); ended != nil {
					w.log.Error(w.name+" ended", "error", ended)
				}
			}()
			return nil
		},
		Stop: func(stop context.Context) error {
			cancel()
			if w.stopped != nil {
				defer w.stopped()
			}
			if !started {
				return nil
			}
			select {
			case <-done:
				return nil
			case <-stop.Done():
				return stop.Err()
			}
		},
		Ready: func(ctx context.Context) error {
			select {
			case <-done:
				return errors.Join(errors.New(w.name+" has ended; see the log"), ended)
			default:
				return w.ready(ctx)
			}
		},
	}
}

// waitsFor is ready when a channel is closed.
func waitsFor(ready <-chan struct{}, missing error) func(context.Context) error {
	return func(context.Context) error {
		select {
		case <-ready:
			return nil
		default:
			return missing
		}
	}
}
