package amqp_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/rabbitmq/amqp091-go"

	"gostack/internal/bus"
	"gostack/internal/bus/amqp"
	"gostack/internal/secret"
)

var who = bus.Handlers{"who": func(_ context.Context, m *bus.Message) (any, error) { return m.From, nil }}

func serve(t *testing.T, b bus.Bus, to bus.To, h bus.Handlers) {
	t.Helper()
	stop, err := b.Serve(to, h)
	must(t, err)
	t.Cleanup(stop)
}

// raw is a client that does as it likes with a host's credentials.
type raw struct {
	t    *testing.T
	conn *amqp091.Connection
}

func (c *cloud) raw(t *testing.T, user string, password secret.String) raw {
	t.Helper()
	conn, err := amqp091.Dial(c.URL(user, password.Reveal(), c.vhost))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return raw{t, conn}
}

// try does something on a channel of its own, and returns with which code the broker refuses it; 0: it does not.
func (r raw) try(f func(ch *amqp091.Channel) error) int {
	r.t.Helper()
	ch, err := r.conn.Channel()
	must(r.t, err)
	defer ch.Close()
	closed := ch.NotifyClose(make(chan *amqp091.Error, 1))
	err = f(ch)
	if err == nil { // publishing is refused later: ask for something, and the refusal comes first
		err = ch.Qos(1, 0, false)
	}
	if err == nil {
		return 0
	}
	var e *amqp091.Error
	if !errors.As(err, &e) || errors.Is(err, amqp091.ErrClosed) {
		if e = <-closed; e == nil {
			r.t.Fatal(err)
		}
	}
	return e.Code
}

func TestHostsAreWhoTheyAre(t *testing.T) {
	c := newCloud(t)
	ctx := t.Context()
	control, one, two := c.control(), c.asHost("one"), c.asHost("two.example.org")
	serve(t, control, bus.To{Topic: "nova-conductor", Host: "ctl"}, who)
	serve(t, one, bus.To{Topic: "nova-compute", Host: "one"}, who)
	serve(t, two, bus.To{Topic: "nova-compute", Host: "two.example.org"}, who)
	role := bus.To{Topic: "nova-conductor"}
	for _, test := range []struct {
		what string
		b    bus.Bus
		ctx  context.Context
		to   bus.To
		want string
	}{
		{"a host", one, ctx, role, "one"},
		{"another", two, ctx, role, "two.example.org"},
		{"a host that lies", one, bus.AsHost(ctx, "two.example.org"), role, "one"},
		{"the control side", control, ctx, bus.To{Topic: "nova-compute", Host: "two.example.org"}, ""},
		{"the control side that plays a host", control, bus.AsHost(ctx, "simulated-7"), role, "simulated-7"},
	} {
		got := "nobody"
		if err := test.b.Call(test.ctx, test.to, "who", nil, &got); err != nil || got != test.want {
			t.Errorf("%s: %q, %v; want %q", test.what, got, err, test.want)
		}
	}
	if err := one.Call(ctx, bus.To{Topic: "nova-compute", Host: "two.example.org"}, "who", nil, nil); bus.Code(err) != bus.CodeForbidden {
		t.Errorf("a host calls another: %v", err)
	}
	for _, to := range []bus.To{{Topic: "nova-compute", Host: "two.example.org"}, {Topic: "nova-conductor"}, {Topic: "nova-compute"}} {
		if _, err := one.Serve(to, who); err == nil {
			t.Errorf("host one serves %s", to)
		}
	}
	for _, name := range []string{"a*", "#", "a.#", "", "x y", ".a"} {
		if _, err := c.admin.EnsureHostUser(ctx, name); err == nil {
			t.Errorf("a user for host %q", name)
		}
	}
}

// TestTheBrokerKeepsHostsApart tries with a host's credentials what only our own code would not do.
func TestTheBrokerKeepsHostsApart(t *testing.T) {
	c := newCloud(t)
	ctx := t.Context()
	control, two := c.control(), c.asHost("two")
	serve(t, control, bus.To{Topic: "nova-conductor", Host: "ctl"}, who)
	serve(t, control, bus.To{Topic: "nova-metadata"}, who)
	serve(t, two, bus.To{Topic: "nova-compute", Host: "two"}, who)
	must(t, control.Notify(ctx, bus.Notification{Service: "nova", EventType: "e"}))
	password, err := c.admin.EnsureHostUser(ctx, "one")
	must(t, err)
	evil := c.raw(t, amqp.HostUser("one"), password)
	const own, inbox = "gostack.host.one.nova-compute", "gostack.inbox.host.one.abc"
	declare := func(name string, args amqp091.Table) func(*amqp091.Channel) error {
		return func(ch *amqp091.Channel) error {
			_, err := ch.QueueDeclare(name, false, true, false, false, args)
			return err
		}
	}
	bind := func(queue, exchange, key string) func(*amqp091.Channel) error {
		return func(ch *amqp091.Channel) error { return ch.QueueBind(queue, key, exchange, false, nil) }
	}
	consume := func(queue string) func(*amqp091.Channel) error {
		return func(ch *amqp091.Channel) error {
			_, err := ch.Consume(queue, "", true, false, false, false, nil)
			return err
		}
	}
	publish := func(exchange, key, user string) func(*amqp091.Channel) error {
		return func(ch *amqp091.Channel) error {
			return ch.PublishWithContext(ctx, exchange, key, false, false, amqp091.Publishing{UserId: user, Body: []byte("{}")})
		}
	}
	const me = "gostack-host-one"
	if evil.try(declare(own, nil)) != 0 || evil.try(declare(inbox, nil)) != 0 {
		t.Fatal("a host may not declare its own queues")
	}
	for what, f := range map[string]func(*amqp091.Channel) error{
		"publish to a role":            publish("gostack.nova", "call.nova-conductor", me),
		"cast to a role":               publish("gostack.nova", "cast.nova-metadata", me),
		"reply to the control side":    publish("gostack.replies", "control.abc", me),
		"bind its queue to its key":    bind(own, "gostack.nova", "host.nova-compute.one"),
		"bind its inbox to its key":    bind(inbox, "gostack.replies", "host.one.abc"),
		"bind its inbox to the fanout": bind(inbox, "gostack.nova", "fanout.nova-compute"),
		"read its queue": func(ch *amqp091.Channel) error {
			if err := declare("gostack.inbox.host.one.def", nil)(ch); err != nil {
				return err
			}
			return consume("gostack.inbox.host.one.def")(ch)
		},
	} {
		if got := evil.try(f); got != 0 {
			t.Errorf("a host may not %s: %d", what, got)
		}
	}
	for what, f := range map[string]func(*amqp091.Channel) error{
		"read another host's queue":                    consume("gostack.host.two.nova-compute"),
		"read the conductor's calls":                   consume("gostack.role.nova-conductor.calls"),
		"read the conductor's casts":                   consume("gostack.role.nova-conductor.casts"),
		"read the dead letters":                        consume("gostack.dead"),
		"bind its queue to another host's key":         bind(own, "gostack.nova", "host.nova-compute.two"),
		"bind its queue to all hosts' keys":            bind(own, "gostack.nova", "host.nova-compute.*"),
		"bind its queue to everything":                 bind(own, "gostack.nova", "#"),
		"bind its queue to the conductor's calls":      bind(own, "gostack.nova", "call.nova-conductor"),
		"bind its queue to the conductor's own key":    bind(own, "gostack.nova", "host.nova-conductor.one"),
		"bind its inbox to the control side's replies": bind(inbox, "gostack.replies", "control.#"),
		"bind its inbox to another host's replies":     bind(inbox, "gostack.replies", "host.two.#"),
		"bind its inbox to events":                     bind(inbox, "nova", "#"),
		"bind another's queue":                         bind("gostack.host.two.nova-compute", "gostack.nova", "host.nova-compute.one"),
		"declare another host's queue":                 declare("gostack.host.three.nova-compute", nil),
		"declare a queue of another topic":             declare("gostack.host.one.nova-conductor", nil),
		"declare a role's queue":                       declare("gostack.role.nova-scheduler.calls", nil),
		"declare a queue of any name":                  declare("mine", nil),
		"declare a queue of its name and more":         declare("gostack.host.one.nova-compute.x", nil),
		"declare a queue with dead letters elsewhere":  declare("gostack.inbox.host.one.dlx", amqp091.Table{"x-dead-letter-exchange": "gostack.dead"}),
		"declare an exchange": func(ch *amqp091.Channel) error {
			return ch.ExchangeDeclare("gostack.host.one.x", "topic", false, true, false, false, nil)
		},
		"delete a service's exchange": func(ch *amqp091.Channel) error { return ch.ExchangeDelete("gostack.nova", false, false) },
		"delete another host's queue": func(ch *amqp091.Channel) error {
			_, err := ch.QueueDelete("gostack.host.two.nova-compute", false, false, false)
			return err
		},
		"empty the conductor's queue": func(ch *amqp091.Channel) error {
			_, err := ch.QueuePurge("gostack.role.nova-conductor.casts", false)
			return err
		},
		"publish to another host":                    publish("gostack.nova", "host.nova-compute.two", me),
		"publish to all hosts":                       publish("gostack.nova", "fanout.nova-compute", me),
		"reply to another host":                      publish("gostack.replies", "host.two.abc", me),
		"publish to a queue by the default exchange": publish("", "gostack.host.two.nova-compute", me),
		"publish events":                             publish("nova", "notifications.info", me),
		"publish dead letters":                       publish("gostack.dead", "x", me),
		"publish under another host's name":          publish("gostack.nova", "call.nova-conductor", "gostack-host-two"),
		"publish under the control side's name":      publish("gostack.nova", "call.nova-conductor", amqp.ControlUser),
		"publish to a role that is not for hosts":    publish("gostack.nova", "call.nova-scheduler", me),
		"look at another host's queue, and bind it":  bind("gostack.host.two.nova-compute", "gostack.nova", "host.nova-compute.two"),
		"tie the control side's replies to a service": func(ch *amqp091.Channel) error {
			return ch.ExchangeBind("gostack.nova", "control.#", "gostack.replies", false, nil)
		},
	} {
		got := evil.try(f)
		want := amqp091.AccessRefused
		if strings.Contains(what, "under") {
			want = amqp091.PreconditionFailed
		}
		if got != want {
			t.Errorf("a host may %s: the broker says %d", what, got)
		}
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.ManagementAddr+"/api/overview", http.NoBody)
	must(t, err)
	req.SetBasicAuth(amqp.HostUser("one"), password.Reveal())
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a host's user at the management API: %s", resp.Status)
	}
}

// TestMessagesOutOfTheWay sends what a broker lets through and our side must not believe.
func TestMessagesOutOfTheWay(t *testing.T) {
	c := newCloud(t)
	ctx := t.Context()
	control := c.control()
	handled := make(chan string, 10)
	serve(t, control, bus.To{Topic: "nova-conductor", Host: "ctl"}, bus.Handlers{"tell": func(_ context.Context, m *bus.Message) (any, error) {
		handled <- m.From
		return nil, nil
	}})
	password, err := c.admin.EnsureHostUser(ctx, "one")
	must(t, err)
	evil := c.raw(t, amqp.HostUser("one"), password)
	send := func(m amqp091.Publishing) {
		t.Helper()
		m.Type, m.MessageId, m.Body = "cast", "x", []byte("{}")
		if got := evil.try(func(ch *amqp091.Channel) error {
			return ch.PublishWithContext(ctx, "gostack.nova", "call.nova-conductor", true, false, m)
		}); got != 0 {
			t.Fatalf("refused: %d", got)
		}
	}
	good := amqp091.Table{"method": "tell", "to": "call.nova-conductor"}
	send(amqp091.Publishing{Headers: good})                                                                                                              // nobody's
	send(amqp091.Publishing{Headers: amqp091.Table{"method": "tell"}, UserId: amqp.HostUser("one")})                                                     // to nobody
	send(amqp091.Publishing{Headers: amqp091.Table{"method": "tell", "to": "host.nova-compute.one"}, UserId: amqp.HostUser("one")})                      // gone astray
	send(amqp091.Publishing{Headers: amqp091.Table{"to": "call.nova-conductor"}, UserId: amqp.HostUser("one")})                                          // nothing to do
	send(amqp091.Publishing{Headers: amqp091.Table{"method": "tell", "to": "call.nova-conductor", "on_behalf_of": "two"}, UserId: amqp.HostUser("one")}) // a lie, in order otherwise
	if from := <-handled; from != "one" {
		t.Errorf("from %q", from)
	}

	// A host may give its queue a dead letter exchange that it may write to, and pass on what the control side sends it.
	if got := evil.try(func(ch *amqp091.Channel) error {
		q := "gostack.host.one.nova-compute"
		if _, err := ch.QueueDeclare(q, false, true, false, false, amqp091.Table{"x-dead-letter-exchange": "gostack.nova", "x-dead-letter-routing-key": "call.nova-conductor"}); err != nil {
			return err
		}
		if err := ch.QueueBind(q, "host.nova-compute.one", "gostack.nova", false, nil); err != nil {
			return err
		}
		deliveries, err := ch.Consume(q, "", false, false, false, false, nil)
		if err != nil {
			return err
		}
		if err := control.Cast(ctx, bus.To{Topic: "nova-compute", Host: "one"}, "tell", nil); err != nil {
			return err
		}
		return (<-deliveries).Reject(false)
	}); got != 0 {
		t.Fatalf("refused: %d", got)
	}
	await(t, "five dead letters", func() bool {
		n, err := c.admin.DeadLetters(ctx)
		must(t, err)
		return n == 5
	})
	select {
	case from := <-handled:
		t.Errorf("handled as from %q", from)
	default:
	}
}

func TestAHostIsRemoved(t *testing.T) {
	c := newCloud(t)
	ctx := t.Context()
	control, one := c.control(), c.asHost("one")
	serve(t, one, bus.To{Topic: "nova-compute", Host: "one"}, who)
	to := bus.To{Topic: "nova-compute", Host: "one"}
	must(t, control.Call(ctx, to, "who", nil, nil))
	if hosts, err := c.admin.RefreshHostUsers(ctx); err != nil || len(hosts) != 1 || hosts[0] != "one" {
		t.Errorf("%v %v", hosts, err)
	}
	must(t, c.admin.RemoveHostUser(ctx, "one"))
	must(t, c.admin.RemoveHostUser(ctx, "one"))
	await(t, "nobody answers", func() bool { return errors.Is(control.Call(ctx, to, "who", nil, nil), bus.ErrUnroutable) })
	await(t, "the host says why", func() bool { return one.Ready() != nil && strings.Contains(one.Ready().Error(), "403") })
	if strings.Contains(one.Ready().Error(), "://") {
		t.Errorf("shown: %v", one.Ready())
	}
	// A new password takes over; the old one does not work.
	old, err := c.admin.EnsureHostUser(ctx, "one")
	must(t, err)
	again := c.asHost("one")
	serve(t, again, to, who)
	must(t, control.Call(ctx, to, "who", nil, nil))
	stale := c.open(c.options(c.URL(amqp.HostUser("one"), old.Reveal(), c.vhost)))
	if err := stale.Ready(); err == nil {
		t.Error("an old password is good")
	}
}

// TestNewTopicsReachHostsThatAreThere adds a topic, as a new version of gostack does.
func TestNewTopicsReachHostsThatAreThere(t *testing.T) {
	c := newCloud(t)
	ctx := t.Context()
	control, one := c.control(), c.asHost("one")
	c.asHost("two")
	serve(t, control, bus.To{Topic: "cinder-scheduler"}, who)
	volume := bus.To{Topic: "cinder-volume", Host: "one"}
	serve(t, one, volume, who)
	if err := one.Call(ctx, bus.To{Topic: "cinder-scheduler"}, "who", nil, nil); bus.Code(err) != bus.CodeForbidden {
		t.Errorf("a host calls what is not for hosts: %v", err)
	}
	if err := one.Cast(ctx, bus.To{Topic: "cinder-scheduler"}, "who", nil); bus.Code(err) != bus.CodeForbidden {
		t.Errorf("a host casts what is not for hosts: %v", err)
	}
	if err := one.Fanout(ctx, "nova-compute", "who", nil); bus.Code(err) != bus.CodeForbidden {
		t.Errorf("a host speaks to all hosts: %v", err)
	}
	c.admin.HostTopics, c.admin.ControlTopics = append(c.admin.HostTopics, "cinder-volume"), append(c.admin.ControlTopics, "cinder-scheduler")
	must(t, c.admin.EnsureVhost(ctx))
	for range 2 { // the second time nothing is to be done
		if hosts, err := c.admin.RefreshHostUsers(ctx); err != nil || strings.Join(hosts, " ") != "one two" {
			t.Errorf("%v %v", hosts, err)
		}
	}
	await(t, "the host may serve and call", func() bool {
		got := ""
		return control.Call(ctx, volume, "who", nil, nil) == nil && one.Call(ctx, bus.To{Topic: "cinder-scheduler"}, "who", nil, &got) == nil && got == "one"
	})
}

// TestASecondProcessOfAHostStandsBy starts an agent beside one that runs, as when a machine's old connection is not known to be dead.
func TestASecondProcessOfAHostStandsBy(t *testing.T) {
	c := newCloud(t)
	control := c.control()
	password, err := c.admin.EnsureHostUser(t.Context(), "one")
	must(t, err)
	o := c.options(c.URL(amqp.HostUser("one"), password.Reveal(), c.vhost))
	to := bus.To{Topic: "nova-compute", Host: "one"}
	answers := func(name string) bus.Handlers {
		return bus.Handlers{"which": func(context.Context, *bus.Message) (any, error) { return name, nil }}
	}
	first, second := c.open(o), c.open(o)
	serve(t, first, to, answers("first"))
	serve(t, second, to, answers("second"))
	await(t, "the second one says why it does not serve", func() bool {
		return second.Ready() != nil && strings.Contains(second.Ready().Error(), "RESOURCE_LOCKED")
	})
	got := ""
	if must(t, control.Call(t.Context(), to, "which", nil, &got)); got != "first" {
		t.Error(got)
	}
	must(t, first.Close())
	await(t, "the second one takes over", func() bool { return control.Call(t.Context(), to, "which", nil, &got) == nil && got == "second" })
}
