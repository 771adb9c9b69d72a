package amqp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"gostack/internal/bus"
	"gostack/internal/bus/amqp"
)

type number struct{ N int }

// load calls two hosts and casts to the conductor without a pause, and keeps account.
type load struct {
	calls, casts atomic.Int64
	late         atomic.Int64 // how often one had to be tried again because its time was over
	over         atomic.Bool  // the test is over: nothing is tried again
	mu           sync.Mutex
	heard        map[int]bool // casts that were handled
	failed       []error
	stop         context.CancelFunc
	wg           sync.WaitGroup
}

func (c *cloud) load(t *testing.T) *load {
	l := &load{heard: map[int]bool{}}
	control, other := c.control(), c.control()
	one, two := c.asHost("one"), c.asHost("two")
	double := bus.Handlers{"double": bus.Handle(func(_ context.Context, _ string, a number) (number, error) { return number{2 * a.N}, nil })}
	serve(t, one, bus.To{Topic: "nova-compute", Host: "one"}, double)
	serve(t, two, bus.To{Topic: "nova-compute", Host: "two"}, double)
	for i, b := range []bus.Bus{control, other} {
		serve(t, b, bus.To{Topic: "nova-conductor", Host: fmt.Sprint("ctl", i)}, bus.Handlers{"tell": bus.Handle(func(_ context.Context, _ string, a number) (any, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.heard[a.N] = true
			return nil, nil
		})})
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	t.Cleanup(func() { l.over.Store(true); cancel(); l.wg.Wait() })
	fail := func(err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = append(l.failed, err)
	}
	for i := range 4 {
		l.wg.Go(func() {
			to := bus.To{Topic: "nova-compute", Host: []string{"one", "two"}[i%2]}
			for n := i; ctx.Err() == nil; n += 4 {
				var r number
				if err := l.patiently(func() error { return control.Call(context.WithoutCancel(ctx), to, "double", number{n}, &r) }); err != nil || r.N != 2*n {
					fail(fmt.Errorf("call %d: %d, %w", n, r.N, err))
				}
				l.calls.Add(1)
			}
		})
	}
	for _, b := range []bus.Bus{one, two} {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				n := int(l.casts.Add(1))
				if err := l.patiently(func() error {
					return b.Cast(context.WithoutCancel(ctx), bus.To{Topic: "nova-conductor"}, "tell", number{n})
				}); err != nil {
					fail(fmt.Errorf("cast %d: %w", n, err))
				}
			}
		})
	}
	l.goesOn(t)
	return l
}

// patiently tries again what has not ended in its time, as operations do.
func (l *load) patiently(try func() error) error {
	for {
		err := try()
		if !errors.Is(err, context.DeadlineExceeded) || l.over.Load() {
			return err
		}
		l.late.Add(1)
	}
}

// goesOn waits until each kind of work has advanced.
func (l *load) goesOn(t *testing.T) {
	t.Helper()
	calls, casts := l.calls.Load()+200, l.casts.Load()+50
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if t.Failed() {
			t.Logf("%d of %d calls, %d of %d casts; failed: %v", l.calls.Load(), calls, l.casts.Load(), casts, l.failed)
		}
	}()
	await(t, "the load goes on", func() bool { return l.calls.Load() >= calls && l.casts.Load() >= casts })
}

// tolerate forgets failures that the test allows.
func (l *load) tolerate(ok func(error) bool) {
	l.stop()
	l.wg.Wait()
	l.failed = slices.DeleteFunc(l.failed, ok)
}

// tellTo answers the method tell.
func tellTo(got chan<- int) bus.Handlers {
	return bus.Handlers{"tell": bus.Handle(func(_ context.Context, _ string, a number) (any, error) {
		got <- a.N
		return nil, nil
	})}
}

// check ends the load: nothing may have failed, nothing may be missing.
func (l *load) check(t *testing.T) {
	t.Helper()
	l.stop()
	l.wg.Wait()
	for _, err := range l.failed {
		t.Error(err)
	}
	await(t, "every cast is handled", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.heard) == int(l.casts.Load())
	})
	t.Logf("%d calls, %d casts, %d of them tried again", l.calls.Load(), l.casts.Load(), l.late.Load())
}

func TestTheBrokerRestarts(t *testing.T) {
	c := newCloud(t)
	// A cast that nobody is there for waits, through the broker's death too.
	late := c.control()
	stop, err := late.Serve(bus.To{Topic: "late-role"}, nil)
	must(t, err)
	stop()
	must(t, late.Cast(t.Context(), bus.To{Topic: "late-role"}, "tell", number{7}))
	if err := late.Cast(bus.Ephemeral(t.Context()), bus.To{Topic: "late-role"}, "tell", nil); !errors.Is(err, bus.ErrUnroutable) {
		t.Errorf("a cast that cannot wait: %v", err)
	}
	l := c.load(t)
	for _, end := range []func(){c.Kill, c.Stop} {
		began := time.Now()
		end()
		await(t, "the bus knows", func() bool { return late.Ready() != nil })
		c.Restart(t)
		await(t, "the bus is back", func() bool { return late.Ready() == nil })
		gone := time.Since(began)
		l.goesOn(t)
		// Who waits less than the time of a call does not notice; on a busy machine the broker may be slower.
		if n := l.late.Load(); n > 0 && gone < 20*time.Second {
			t.Errorf("the broker was away for %v, and %d calls and casts did not end in their time", gone, n)
		}
	}
	l.check(t)
	got := make(chan int, 10)
	serve(t, late, bus.To{Topic: "late-role"}, tellTo(got))
	if n := <-got; n != 7 {
		t.Errorf("the late cast is %d", n)
	}
}

// TestTheBrokerIsAwayForAMinute is longer than a call waits: what has not ended in its time is tried again, and nothing is lost.
func TestTheBrokerIsAwayForAMinute(t *testing.T) {
	long(t)
	c := newCloud(t)
	l := c.load(t)
	watch := c.control()
	c.Stop()
	await(t, "the bus knows", func() bool { return watch.Ready() != nil })
	time.Sleep(bus.CallTimeout + 5*time.Second) // the minute is what is tested
	c.Restart(t)
	await(t, "the bus is back", func() bool { return watch.Ready() == nil })
	l.goesOn(t)
	if l.late.Load() == 0 {
		t.Error("nobody has noticed")
	}
	l.check(t)
}

// get asks the management API.
func (c *cloud) get(t *testing.T, path string, into any) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.ManagementAddr+path, http.NoBody)
	must(t, err)
	req.SetBasicAuth(c.User, c.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

// connections asks the management API for the connections of a virtual host.
func (c *cloud) connections(t *testing.T) []string {
	t.Helper()
	var list []struct{ Name string }
	must(t, c.get(t, "/api/vhosts/"+c.vhost+"/connections", &list))
	var names []string
	for _, l := range list {
		names = append(names, l.Name)
	}
	return names
}

func (c *cloud) hangUp(t *testing.T, connection string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+c.ManagementAddr+"/api/connections/"+url.PathEscape(connection), http.NoBody)
	must(t, err)
	req.SetBasicAuth(c.User, c.Password)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	resp.Body.Close()
}

func TestTheBrokerHangsUp(t *testing.T) {
	c := newCloud(t)
	l := c.load(t)
	// The control side's own connections; a host's end makes it "nobody there" at once, which callers are told.
	for range 3 {
		var list []string
		await(t, "the broker lists connections", func() bool { list = c.connections(t); return len(list) >= 4 })
		for _, name := range list {
			c.hangUp(t, name)
		}
		l.goesOn(t)
	}
	l.tolerate(func(err error) bool { return errors.Is(err, bus.ErrUnroutable) })
	for _, err := range l.failed {
		t.Error(err)
	}
}

func TestAQueueIsDeletedUnderUs(t *testing.T) {
	c := newCloud(t)
	control := c.control()
	role := bus.To{Topic: "nova-conductor"}
	serve(t, control, bus.To{Topic: "nova-conductor", Host: "ctl"}, who)
	evil := c.raw(t, amqp.ControlUser, c.password)
	for _, queue := range []string{"gostack.role.nova-conductor.calls", "gostack.role.nova-conductor.casts"} {
		if got := evil.try(func(ch *amqp091.Channel) error {
			_, err := ch.QueueDelete(queue, false, false, false)
			return err
		}); got != 0 {
			t.Fatalf("%s cannot be deleted: %d", queue, got)
		}
		await(t, queue+" is back", func() bool {
			return control.Call(t.Context(), role, "who", nil, nil) == nil && control.Cast(t.Context(), role, "who", nil) == nil && control.Ready() == nil
		})
	}
	// The same with the exchange, on which all depends.
	if got := evil.try(func(ch *amqp091.Channel) error { return ch.ExchangeDelete("gostack.nova", false, false) }); got != 0 {
		t.Fatalf("refused: %d", got)
	}
	await(t, "the exchange is back", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return control.Call(ctx, role, "who", nil, nil) == nil
	})
}

func TestASlowServerHoldsUpNobodyElse(t *testing.T) {
	c := newCloud(t)
	o := c.options(c.URL(amqp.ControlUser, c.password.Reveal(), c.vhost))
	o.Prefetch = 2
	slow := c.open(o)
	o.Resend = time.Hour // the calls that are worked on last as long as the test needs
	control := c.open(o)
	block := make(chan struct{})
	var handled atomic.Int64
	serve(t, slow, bus.To{Topic: "slow"}, bus.Handlers{"slow": func(context.Context, *bus.Message) (any, error) {
		handled.Add(1)
		<-block
		return nil, nil
	}})
	serve(t, slow, bus.To{Topic: "quick"}, who)
	var wg, worked sync.WaitGroup
	for range o.Prefetch { // as many as it works on at a time
		worked.Go(func() {
			if err := control.Call(t.Context(), bus.To{Topic: "slow"}, "slow", nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	await(t, "the server is busy", func() bool { return handled.Load() == int64(o.Prefetch) })
	for range 8 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if err := control.Call(ctx, bus.To{Topic: "slow"}, "slow", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
	}
	must(t, control.Call(t.Context(), bus.To{Topic: "quick"}, "who", nil, nil))
	wg.Wait()
	// What nobody waits for any more is not done: the broker has dropped it.
	look := c.raw(t, amqp.ControlUser, c.password)
	await(t, "the queue is empty", func() bool {
		left := -1
		look.try(func(ch *amqp091.Channel) error {
			q, err := ch.QueueDeclarePassive("gostack.role.slow.calls", false, true, false, false, nil)
			left = q.Messages
			return err
		})
		return left == 0
	})
	close(block)
	worked.Wait()
	must(t, control.Call(t.Context(), bus.To{Topic: "slow"}, "slow", nil, nil))
	if n := handled.Load(); n != 3 {
		t.Errorf("%d calls were handled, not 3", n)
	}
}

// taken lets a client get a role's cast and die of it.
func (r raw) taken() {
	r.t.Helper()
	if got := r.try(func(ch *amqp091.Channel) error {
		deliveries, err := ch.Consume("gostack.role.nova-conductor.casts", "", false, false, false, false, nil)
		if err == nil {
			<-deliveries
		}
		return err
	}); got != 0 {
		r.t.Fatalf("refused: %d", got)
	}
}

func TestPoisonIsPutAside(t *testing.T) {
	for _, cluster := range []bool{false, true} {
		t.Run(fmt.Sprint("cluster ", cluster), func(t *testing.T) {
			c := newCloud(t)
			o := c.options(c.URL(amqp.ControlUser, c.password.Reveal(), c.vhost))
			if cluster { // two addresses make a cluster
				o.URL = strings.Replace(o.URL, c.Addr, c.Addr+","+c.Addr, 1)
			}
			control := c.open(o)
			role := bus.To{Topic: "nova-conductor"}
			stop, err := control.Serve(role, nil)
			must(t, err)
			stop()
			victim := c.raw(t, amqp.ControlUser, c.password)
			if cluster { // its quorum queue counts
				must(t, control.Cast(t.Context(), role, "deadly", nil))
				for range 6 {
					victim.taken()
				}
			} else { // we count: this has come back four times
				must(t, victim.publish("cast.nova-conductor", amqp091.Table{"method": "deadly", "to": "cast.nova-conductor", "attempts": int64(4)}))
				victim.taken()
			}
			handled := make(chan string, 10)
			tell := func(_ context.Context, m *bus.Message) (any, error) {
				handled <- m.Method
				return nil, nil
			}
			serve(t, control, role, bus.Handlers{"deadly": tell, "harmless": tell})
			await(t, "it is put aside", func() bool {
				n, err := c.admin.DeadLetters(t.Context())
				must(t, err)
				return n == 1
			})
			select {
			case <-handled:
				t.Error("it was handled once more")
			default:
			}
		})
	}
}

// TestACastThatCameBackIsHandled is about one whose server died once.
func TestACastThatCameBackIsHandled(t *testing.T) {
	c := newCloud(t)
	control, host := c.control(), c.asHost("one")
	role := bus.To{Topic: "nova-conductor"}
	stop, err := control.Serve(role, nil)
	must(t, err)
	stop()
	must(t, host.Cast(bus.WithRequestID(t.Context(), "req-1"), role, "tell", number{7}))
	c.raw(t, amqp.ControlUser, c.password).taken()
	handled := make(chan string, 10)
	serve(t, control, role, bus.Handlers{"tell": func(_ context.Context, m *bus.Message) (any, error) {
		handled <- m.From + " " + m.RequestID + " " + string(m.Args)
		return nil, nil
	}})
	if got := <-handled; got != `one req-1 {"N":7}` {
		t.Error(got)
	}
}

func (r raw) publish(key string, headers amqp091.Table) error {
	r.t.Helper()
	ch, err := r.conn.Channel()
	must(r.t, err)
	defer ch.Close()
	must(r.t, ch.Confirm(false))
	c, err := ch.PublishWithDeferredConfirm("gostack.nova", key, true, false, amqp091.Publishing{
		UserId: amqp.ControlUser, Type: "cast", MessageId: "m-1", DeliveryMode: amqp091.Persistent, Headers: headers, Body: []byte("{}"),
	})
	if err == nil && !c.Wait() {
		err = errors.New("it was not taken")
	}
	return err
}

// TestAnAnswerThatIsLostIsAskedForAgain lets a call's server die with the request.
func TestAnAnswerThatIsLostIsAskedForAgain(t *testing.T) {
	c := newCloud(t)
	o := c.options(c.URL(amqp.ControlUser, c.password.Reveal(), c.vhost))
	o.Resend = 100 * time.Millisecond
	caller := c.open(o)
	swallow := c.raw(t, amqp.ControlUser, c.password)
	ch, err := swallow.conn.Channel()
	must(t, err)
	stop, err := c.control().Serve(bus.To{Topic: "nova-conductor"}, nil) // declares; without the method
	must(t, err)
	taken, err := ch.Consume("gostack.role.nova-conductor.calls", "", true, false, false, false, nil)
	must(t, err)
	stop()
	result := make(chan error, 1)
	var reply string
	go func() { result <- caller.Call(t.Context(), bus.To{Topic: "nova-conductor"}, "who", nil, &reply) }()
	<-taken
	<-taken // sent again
	serve(t, c.control(), bus.To{Topic: "nova-conductor"}, who)
	must(t, ch.Close())
	must(t, <-result)
}

// long leaves out what takes minutes: make crash runs it.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("GOSTACK_LONG") == "" {
		t.Skip("takes minutes: make crash runs it (GOSTACK_LONG=1)")
	}
}
