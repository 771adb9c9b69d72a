package amqp

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// consumer reads one queue, on whatever connection there is, and makes the queue again when it is gone.
type consumer struct {
	bus             *Bus
	queue, exchange string
	declare         func(ch *amqp091.Channel) error
	handle          func(d amqp091.Delivery)
	prepare         func(s *session) error // before declare; may be nil
	own             bool                   // nobody else reads it: it goes with the consumer
	ctx             context.Context
	cancel          context.CancelFunc
	ready, done     chan struct{} // the first attempt to read has succeeded or failed; ended
	once            sync.Once
}

func (b *Bus) newConsumer(queue, exchange string, declare func(ch *amqp091.Channel) error, handle func(d amqp091.Delivery)) *consumer {
	c := &consumer{bus: b, queue: queue, exchange: exchange, declare: declare, handle: handle, ready: make(chan struct{}), done: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(b.ctx)
	return c
}

// stop ends the reading. An auto-delete queue without other readers goes away; what nobody has begun goes back to the others.
func (c *consumer) stop() {
	c.cancel()
	<-c.done
}

// errGone says that the queue was deleted under its reader.
var errGone = errors.New("the queue is gone")

func (c *consumer) run() {
	defer close(c.done)
	defer c.bus.problem(c.queue, nil)
	for try := 0; ; try++ {
		s, err := c.bus.session(c.ctx)
		if err != nil {
			return
		}
		began := time.Now()
		err = c.consume(s)
		if c.ctx.Err() != nil {
			return
		}
		select {
		case <-s.done:
			try = -1
			c.bus.problem(c.queue, nil) // the connection is the problem
			continue
		default:
		}
		if time.Since(began) > time.Minute {
			try = 0
		}
		c.bus.problem(c.queue, err)
		c.once.Do(func() { close(c.ready) })
		select {
		case <-time.After(jitter(c.bus.MinBackoff/2, c.bus.MaxBackoff/2, try)):
		case <-s.done:
		case <-c.ctx.Done():
		}
	}
}

// consume declares the queue and reads it until it cannot.
func (c *consumer) consume(s *session) error {
	if err := s.exchange(c.exchange); err != nil {
		return err
	}
	if c.prepare != nil {
		if err := c.prepare(s); err != nil {
			return err
		}
	}
	if err := s.setup(c.declare); err != nil {
		return err
	}
	deliveries, err := s.in.Consume(c.queue, c.queue, false, false, false, false, nil)
	if err != nil {
		return err
	}
	c.bus.problem(c.queue, nil)
	c.once.Do(func() { close(c.ready) })
	for {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return errGone
			}
			c.handle(d)
		case <-c.ctx.Done():
			_ = s.in.Cancel(c.queue, false)
			for d := range deliveries {
				_ = d.Nack(false, true)
			}
			if c.own { // the broker deletes it too, but says so before it has
				_ = s.setup(func(ch *amqp091.Channel) error {
					_, err := ch.QueueDelete(c.queue, false, false, false)
					return err
				})
			}
			return nil
		}
	}
}

// problem notes why a queue cannot be read, for Ready, and logs it once.
func (b *Bus) problem(queue string, err error) {
	b.mu.Lock()
	was := b.problems[queue]
	if err == nil {
		delete(b.problems, queue)
	} else {
		b.problems[queue] = err
	}
	b.mu.Unlock()
	switch {
	case err != nil && (was == nil || was.Error() != err.Error()):
		b.Log.Warn("a queue cannot be read; trying on", "queue", queue, "error", err)
	case err == nil && was != nil:
		b.Log.Info("a queue is read again", "queue", queue)
	}
}
