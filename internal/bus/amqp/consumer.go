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
	prepare         func(ctx context.Context, s *session) error // before declare; may be nil
	own             bool                                        // nobody else reads it: it goes with the consumer
	apart           bool                                        // it is read over a link of its own
	ctx             context.Context
	cancel          context.CancelFunc
	ready, done     chan struct{} // the first attempt to read has succeeded or failed; ended
	once            sync.Once
	session         *session         // that it has read over, and on it:
	channel         *amqp091.Channel // of its own, as what others share may block or end it; or, with own, that of the inbox
	unlink          context.CancelFunc
}

func (b *Bus) newConsumer(queue, exchange string, declare func(ch *amqp091.Channel) error, handle func(d amqp091.Delivery)) *consumer {
	c := &consumer{bus: b, queue: queue, exchange: exchange, declare: declare, handle: handle, ready: make(chan struct{}), done: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(b.ctx)
	return c
}

// stop ends the reading; what was read can be acknowledged until release. An auto-delete queue without other readers goes away; what nobody has begun goes back to the others.
func (c *consumer) stop() {
	c.cancel()
	<-c.done
}

// release gives up the channel of a consumer that has stopped: what is not acknowledged goes back to the others.
func (c *consumer) release() {
	c.closeChannel()
	if c.unlink != nil {
		c.unlink()
	}
}

// errGone says that the queue was deleted under its reader.
var errGone = errors.New("the queue is gone")

func (c *consumer) run() {
	defer close(c.done)
	defer c.bus.problem(c.queue, nil)
	from := c.bus.main
	if c.apart {
		ctx, cancel := context.WithCancel(c.bus.ctx)
		from, c.unlink = c.bus.newLink(c.queue, nil), cancel
		c.bus.wg.Go(func() { from.keep(ctx) })
	}
	for try := 0; ; try++ {
		s, err := from.session(c.ctx)
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
			if !c.apart {
				try = -1
				c.bus.problem(c.queue, nil) // the connection is the problem
				continue
			}
			err = s.err
		default:
		}
		if time.Since(began) > time.Minute {
			try = 0
		}
		c.bus.problem(c.queue, err)
		c.once.Do(func() { close(c.ready) })
		over := s.done
		if c.apart {
			over = nil
		}
		select {
		case <-time.After(jitter(c.bus.MinBackoff/2, c.bus.MaxBackoff/2, try)):
		case <-over:
		case <-c.ctx.Done():
		}
	}
}

// consume declares the queue and reads it until it cannot.
func (c *consumer) consume(s *session) error {
	if err := s.exchange(c.ctx, c.exchange); err != nil {
		return err
	}
	if c.prepare != nil {
		if err := c.prepare(c.ctx, s); err != nil {
			return err
		}
	}
	patience := c.ctx
	if c.own { // who gives up waiting for it would leave it behind
		patience = c.bus.ctx
	}
	if err := s.setup(patience, c.declare); err != nil {
		return err
	}
	var deliveries <-chan amqp091.Delivery
	c.session, c.channel = s, nil
	err := s.soon(func() (err error) {
		if c.channel = s.in; !c.own {
			if c.channel, err = s.consuming(); err != nil {
				return err
			}
		}
		deliveries, err = c.channel.Consume(c.queue, c.queue, false, false, false, false, nil)
		return err
	})
	if err != nil {
		c.closeChannel()
		return err
	}
	c.bus.problem(c.queue, nil)
	c.once.Do(func() { close(c.ready) })
	for {
		select {
		case d, ok := <-deliveries:
			if !ok {
				c.closeChannel()
				return errGone
			}
			c.handle(d)
		case <-c.ctx.Done():
			_ = s.soon(func() error { return c.channel.Cancel(c.queue, false) })
			for d := range deliveries {
				_ = d.Nack(false, true)
			}
			if c.own { // the broker deletes it too, but says so before it has
				_ = s.setup(c.bus.ctx, func(ch *amqp091.Channel) error {
					_, err := ch.QueueDelete(c.queue, false, false, false)
					return err
				})
			}
			return nil
		}
	}
}

func (c *consumer) closeChannel() {
	if c.channel != nil && !c.own && !c.channel.IsClosed() {
		_ = c.session.soon(c.channel.Close)
	}
	c.channel = nil
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
