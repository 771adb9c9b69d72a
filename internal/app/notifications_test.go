package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"gostack/internal/bus/amqp/rabbittest"
	"gostack/internal/config"
)

// consumer is somebody else's program that hears notifications, as Ceilometer's agent does: it knows oslo.messaging's exchanges, routing keys and
// envelope, and nothing of gostack.
type consumer struct {
	t          *testing.T
	deliveries <-chan amqp091.Delivery
	seen       []notification
}

type notification struct {
	exchange, key string
	Type          string          `json:"event_type"`
	Publisher     string          `json:"publisher_id"`
	Priority      string          `json:"priority"`
	MessageID     string          `json:"message_id"`
	UniqueID      string          `json:"_unique_id"`
	Timestamp     string          `json:"timestamp"`
	Payload       json.RawMessage `json:"payload"`
	User          string          `json:"_context_user_id"`
	Project       string          `json:"_context_project_id"`
	RequestID     string          `json:"_context_request_id"`
}

func newConsumer(t *testing.T, url string) *consumer {
	t.Helper()
	conn, err := amqp091.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	const queue = "ceilometer.notifications"
	if _, err := ch.QueueDeclare(queue, false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	for _, exchange := range []string{"nova", "neutron", "glance", "keystone"} {
		// amqp_durable_queues and amqp_auto_delete are off by default: whoever comes first declares the exchange like this.
		if err := ch.ExchangeDeclare(exchange, "topic", false, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"notifications.info", "notifications.error", "versioned_notifications.info", "versioned_notifications.error"} {
			if err := ch.QueueBind(queue, key, exchange, false, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := &consumer{t: t}
	if c.deliveries, err = ch.Consume(queue, "", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// until hears until an event of a type has come whose payload mentions something, and returns it.
func (c *consumer) until(typ, mentions string) notification {
	c.t.Helper()
	fits := func(n notification) bool { return n.Type == typ && strings.Contains(string(n.Payload), mentions) }
	if i := slices.IndexFunc(c.seen, fits); i >= 0 {
		return c.seen[i]
	}
	limit := time.After(2 * time.Minute)
	for {
		select {
		case d := <-c.deliveries:
			n, err := read(d)
			if err != nil {
				c.t.Fatalf("%s %s: %v in %s", d.Exchange, d.RoutingKey, err, d.Body)
			}
			c.seen = append(c.seen, n)
			if fits(n) {
				return n
			}
		case <-limit:
			var types []string
			for _, n := range c.seen {
				types = append(types, n.Type)
			}
			c.t.Fatalf("no %s about %s; there were %v", typ, mentions, types)
		}
	}
}

func read(d amqp091.Delivery) (n notification, err error) {
	var envelope map[string]string
	if err := json.Unmarshal(d.Body, &envelope); err != nil {
		return n, err
	}
	if envelope["oslo.version"] != "2.0" || len(envelope) != 2 || d.ContentType != "application/json" {
		return n, fmt.Errorf("no envelope of oslo.messaging's, %s", d.ContentType)
	}
	if err := json.Unmarshal([]byte(envelope["oslo.message"]), &n); err != nil {
		return n, err
	}
	n.exchange, n.key = d.Exchange, d.RoutingKey
	if _, err := time.Parse("2006-01-02 15:04:05.000000", n.Timestamp); err != nil {
		return n, err
	}
	if n.MessageID == "" || n.UniqueID == "" || n.Publisher == "" || n.key != strings.Split(n.key, ".")[0]+"."+strings.ToLower(n.Priority) {
		return n, fmt.Errorf("%+v", n)
	}
	return n, nil
}

// TestAConsumerHearsOfRealOperations boots and deletes a server on a cloud of several machines, and hears of all that upstream's services would
// tell, on the exchanges and keys where they would.
func TestAConsumerHearsOfRealOperations(t *testing.T) {
	s := newSplit(t, func(c *config.Config) { c.Notifications.Driver = "messagingv2" })
	broker := rabbittest.Start(t)
	c := newConsumer(t, broker.URL(broker.User, broker.Password, s.vhost))
	s.host(s.join("host1"))
	server, network, address := s.boot("host1")

	n := c.until("instance.create.end", server)
	var payload struct {
		Name, Version, Namespace string
		Data                     struct {
			UUID      string           `json:"uuid"`
			Host      string           `json:"host"`
			State     string           `json:"state"`
			Addresses []map[string]any `json:"ip_addresses"`
			Request   string           `json:"request_id"`
		} `json:"nova_object.data"`
		Object string `json:"nova_object.name"`
	}
	s.must(json.Unmarshal(n.Payload, &payload))
	if n.exchange != "nova" || n.key != "versioned_notifications.info" || n.Publisher != "nova-compute:host1" || n.User == "" || n.Project == "" || !strings.HasPrefix(n.RequestID, "req-") {
		t.Errorf("%+v", n)
	}
	if d := payload.Data; payload.Object != "InstanceCreatePayload" || d.UUID != server || d.Host != "host1" || d.State != "active" || d.Request != n.RequestID || len(d.Addresses) != 1 ||
		!strings.Contains(string(n.Payload), address) {
		t.Errorf("%s", n.Payload)
	}
	for _, want := range []struct{ exchange, key, publisher, typ, mentions string }{
		{"nova", "notifications.info", "compute.host1", "compute.instance.create.end", server},
		{"nova", "notifications.info", "compute.host1", "compute.instance.create.start", server},
		{"nova", "versioned_notifications.info", "nova-scheduler:control1", "scheduler.select_destinations.end", server},
		{"nova", "versioned_notifications.info", "nova-api:control1", "flavor.create", "f-host1"},
		{"glance", "notifications.info", "image.control1", "image.activate", `"active"`},
		{"neutron", "notifications.info", "network.control1", "network.create.end", network},
		{"neutron", "notifications.info", "network.control1", "subnet.create.end", network},
		{"neutron", "notifications.info", "network.control1", "port.create.end", server},
		{"neutron", "notifications.info", "network.control1", "port.update.end", server},
	} {
		n := c.until(want.typ, want.mentions)
		if n.exchange != want.exchange || n.key != want.key || n.Publisher != want.publisher || n.Priority != "INFO" {
			t.Errorf("%s came on %s with %s from %s", want.typ, n.exchange, n.key, n.Publisher)
		}
	}
	user := s.ask("POST", "/identity/v3/users", `{"user": {"name": "heard"}}`)["user"].(map[string]any)["id"].(string)
	if n := c.until("identity.user.created", user); n.exchange != "keystone" || n.key != "notifications.info" || n.Publisher != "identity.control1" {
		t.Errorf("%+v", n)
	}
	s.ask("DELETE", "/compute/v2.1/servers/"+server, "")
	last := c.until("instance.delete.end", server)
	c.until("port.delete.end", server)
	c.until("compute.instance.delete.end", server)
	if last.Publisher != "nova-compute:host1" {
		t.Errorf("%+v", last)
	}
}
