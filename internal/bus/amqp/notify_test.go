package amqp_test

import (
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rabbitmq/amqp091-go"

	"gostack/internal/bus"
	"gostack/internal/bus/amqp"
)

// listen is a consumer of notifications as oslo.messaging makes one: exchange and queue not durable, bound by topic.priority.
func (c *cloud) listen(t *testing.T, exchange, key string) <-chan amqp091.Delivery {
	t.Helper()
	ch, err := c.raw(t, amqp.ControlUser, c.password).conn.Channel()
	must(t, err)
	must(t, ch.ExchangeDeclare(exchange, "topic", false, false, false, false, nil))
	_, err = ch.QueueDeclare(key, false, false, false, false, nil)
	must(t, err)
	must(t, ch.QueueBind(key, key, exchange, false, nil))
	deliveries, err := ch.Consume(key, "", true, false, false, false, nil)
	must(t, err)
	return deliveries
}

func TestNotificationsAreOsloMessages(t *testing.T) {
	c := newCloud(t)
	control := c.control()
	versioned, plain := c.listen(t, "nova", "versioned_notifications.error"), c.listen(t, "neutron", "notifications.info")
	at := time.Date(2026, 11, 22, 13, 50, 32, 1234000, time.FixedZone("", 3600))
	must(t, control.Notify(t.Context(), bus.Notification{
		Service: "nova", Versioned: true, EventType: "instance.create.error", Publisher: "nova-compute:host-1", Priority: "error", Payload: json.RawMessage(`{"a":[1,2]}`),
		MessageID: "4c2bcd5e-0e0c-4d4f-8f0c-3d4f1a5b6c7d", Timestamp: at, RequestID: "req-1", Project: "p-1", Context: map[string]any{"user_id": "u-1"},
	}))
	d := <-versioned
	if d.ContentType != "application/json" || d.ContentEncoding != "utf-8" || d.Exchange != "nova" {
		t.Errorf("%+v", d)
	}
	var outer map[string]string // two strings and nothing else
	must(t, json.Unmarshal(d.Body, &outer))
	if outer["oslo.version"] != "2.0" || len(outer) != 2 {
		t.Errorf("%s", d.Body)
	}
	var got map[string]any
	must(t, json.Unmarshal([]byte(outer["oslo.message"]), &got))
	if id, _ := got["_unique_id"].(string); !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
		t.Errorf("unique id %q", id)
	}
	delete(got, "_unique_id")
	want := map[string]any{
		"event_type": "instance.create.error", "publisher_id": "nova-compute:host-1", "priority": "ERROR", "payload": map[string]any{"a": []any{1.0, 2.0}},
		"message_id": "4c2bcd5e-0e0c-4d4f-8f0c-3d4f1a5b6c7d", "timestamp": "2026-11-22 12:50:32.001234",
		"_context_request_id": "req-1", "_context_project_id": "p-1", "_context_user_id": "u-1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	must(t, control.Notify(t.Context(), bus.Notification{Service: "neutron", EventType: "port.create.end", Payload: json.RawMessage(`{}`)}))
	if d := <-plain; d.RoutingKey != "notifications.info" {
		t.Errorf("%+v", d)
	}
	// Nobody listens to Glance.
	must(t, control.Notify(t.Context(), bus.Notification{Service: "glance", EventType: "image.create", Payload: json.RawMessage(`{}`)}))
}

// TestWeHearOthers subscribes to what upstream's services send, with and without envelope.
func TestWeHearOthers(t *testing.T) {
	c := newCloud(t)
	control := c.control()
	heard := make(chan bus.Notification, 10)
	stop, err := control.Subscribe(func(n bus.Notification) { heard <- n })
	must(t, err)
	t.Cleanup(stop)
	ch, err := c.raw(t, amqp.ControlUser, c.password).conn.Channel()
	must(t, err)
	inner := `{"event_type":"volume.create.end","publisher_id":"volume.h","priority":"INFO","payload":{"size":1},"message_id":"m","timestamp":"2026-11-22 12:50:32.5","_context_request_id":"req-2","_context_project_id":null,"_context_roles":["member"],"_unique_id":"x"}`
	envelope, err := json.Marshal(map[string]string{"oslo.version": "2.0", "oslo.message": inner})
	must(t, err)
	want := bus.Notification{
		EventType: "volume.create.end", Publisher: "volume.h", Priority: "info", Payload: json.RawMessage(`{"size":1}`), MessageID: "m",
		Timestamp: time.Date(2026, 11, 22, 12, 50, 32, 500_000_000, time.UTC), RequestID: "req-2", Service: "cinder", Context: map[string]any{"roles": []any{"member"}},
	}
	for _, body := range []string{"nonsense", string(envelope), inner, `{"oslo.version":"2.0","oslo.message":"nonsense"}`} {
		must(t, ch.PublishWithContext(t.Context(), "cinder", "notifications.info", false, false, amqp091.Publishing{Body: []byte(body)}))
	}
	for range 2 {
		if diff := cmp.Diff(want, <-heard); diff != "" {
			t.Error(diff)
		}
	}
	must(t, control.Notify(t.Context(), bus.Notification{Service: "nova", Versioned: true, EventType: "e", Payload: json.RawMessage(`{}`)}))
	if n := <-heard; n.EventType != "e" || !n.Versioned || n.Service != "nova" {
		t.Errorf("%+v", n)
	}
}
