package amqp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	crand "crypto/rand"

	"github.com/google/uuid"
	"github.com/rabbitmq/amqp091-go"

	"gostack/internal/bus"
)

// NotifyExchanges are the exchanges on which OpenStack's services notify: their control_exchange, and oslo.messaging's default.
var NotifyExchanges = []string{defaultNotifyExchange, "nova", "glance", "neutron", "cinder", "keystone", "swift", "ironic"}

const defaultNotifyExchange = "openstack"

// The topics; a routing key is the topic, a dot and the priority.
const (
	topicNotifications = "notifications"
	topicVersioned     = "versioned_notifications"
)

// oslo.messaging's envelope (its rpc_common.serialize_msg): the message is a string of JSON inside.
type envelope struct {
	Version string `json:"oslo.version"`
	Message string `json:"oslo.message"`
}

// envelopeVersion is that of oslo.messaging's envelope since messagingv2.
const envelopeVersion = "2.0"

// osloTime is how Python writes a datetime in UTC.
const osloTime = "2006-01-02 15:04:05.000000"

const contextPrefix = "_context_"

// encodeNotification writes an event as oslo.messaging's driver messagingv2 does.
func encodeNotification(n bus.Notification) ([]byte, error) {
	m := map[string]any{
		"message_id": n.MessageID, "publisher_id": n.Publisher, "event_type": n.EventType, "priority": strings.ToUpper(n.Priority),
		"payload": n.Payload, "timestamp": n.Timestamp.UTC().Format(osloTime), "_unique_id": strings.ReplaceAll(uuid.NewString(), "-", ""),
	}
	for k, v := range n.Context {
		m[contextPrefix+k] = v
	}
	if n.RequestID != "" {
		m[contextPrefix+"request_id"] = n.RequestID
	}
	if n.Project != "" {
		m[contextPrefix+"project_id"] = n.Project
	}
	inner, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return json.Marshal(envelope{envelopeVersion, string(inner)})
}

// decodeNotification reads one, with or without envelope (driver messaging, version 1).
func decodeNotification(body []byte) (bus.Notification, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return bus.Notification{}, err
	}
	if e.Version != "" {
		body = []byte(e.Message)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return bus.Notification{}, err
	}
	n := bus.Notification{Payload: fields["payload"], Context: map[string]any{}}
	var stamp string
	for key, to := range map[string]*string{
		"message_id": &n.MessageID, "publisher_id": &n.Publisher, "event_type": &n.EventType, "priority": &n.Priority, "timestamp": &stamp,
	} {
		if raw, ok := fields[key]; ok {
			if err := json.Unmarshal(raw, to); err != nil {
				return n, fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	n.Priority = strings.ToLower(n.Priority)
	n.Timestamp, _ = time.Parse("2006-01-02 15:04:05.999999999", stamp) // of another make: left zero
	for key, raw := range fields {
		name, ok := strings.CutPrefix(key, contextPrefix)
		if !ok {
			continue
		}
		var v any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return n, fmt.Errorf("%s: %w", key, err)
		}
		text, _ := v.(string)
		switch name {
		case "request_id":
			n.RequestID = text
		case "project_id":
			n.Project = text
		default:
			n.Context[name] = v
		}
	}
	return n, nil
}

// Notify implements bus.Bus. Whoever wants events declares a queue for them; upstream declares one by itself, which grows for ever where
// nobody reads. Nobody listening is no error.
func (b *Bus) Notify(ctx context.Context, n bus.Notification) error {
	return b.NotifyAll(ctx, []bus.Notification{n})
}

// NotifyAll publishes events in their order and waits for the broker to have them all. After an error some may have been sent. One that the
// broker refuses for good (its exchange is of another kind, or forbidden) is logged and left out: it must not hold up the others.
func (b *Bus) NotifyAll(ctx context.Context, list []bus.Notification) error {
	ctx, cancel := context.WithTimeout(ctx, bus.CallTimeout)
	defer cancel()
	var pending []*posting
	for i := range list {
		p, err := b.posting(list[i])
		if err != nil {
			return err
		}
		pending = append(pending, p)
	}
	for len(pending) > 0 {
		s, err := b.session(ctx)
		if err != nil {
			return fmt.Errorf("notification %s: %w", pending[0].event, err)
		}
		left, err := b.post(ctx, s, pending)
		switch {
		case err == nil:
		case errors.Is(err, errLost):
		case errors.Is(err, errRefused):
			pause(ctx)
		default:
			return fmt.Errorf("notification %s: %w", left[0].event, err)
		}
		pending = left
	}
	return nil
}

// posting is a notification on its way to the broker.
type posting struct {
	event, exchange, key string
	message              amqp091.Publishing
	confirmation         *amqp091.DeferredConfirmation
}

func (b *Bus) posting(n bus.Notification) (*posting, error) {
	if n.MessageID == "" {
		n.MessageID = uuid.NewString()
	}
	if n.Timestamp.IsZero() {
		n.Timestamp = time.Now()
	}
	if n.Priority == "" {
		n.Priority = "info"
	}
	body, err := encodeNotification(n)
	if err != nil {
		return nil, fmt.Errorf("notification %s: %w", n.EventType, err)
	}
	exchange, topic := n.Service, topicNotifications
	if exchange == "" {
		exchange = defaultNotifyExchange
	}
	if n.Versioned {
		topic = topicVersioned
	}
	return &posting{event: n.EventType, exchange: exchange, key: topic + "." + strings.ToLower(n.Priority), message: amqp091.Publishing{
		MessageId: n.MessageID, UserId: b.address.User, ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp091.Persistent, Body: body,
	}}, nil
}

// post sends what is pending over a session and returns what the broker has not confirmed.
func (b *Bus) post(ctx context.Context, s *session, pending []*posting) ([]*posting, error) {
	var sent []*posting
	for i, p := range pending {
		if err := b.notifyExchange(ctx, s, p.exchange); err != nil {
			if ctx.Err() != nil {
				return append(sent, pending[i:]...), ctx.Err()
			}
			if c := code(err); c == amqp091.AccessRefused || c == amqp091.PreconditionFailed {
				b.Log.Error("the message broker refuses a notification", "event", p.event, "exchange", p.exchange, "error", err)
				continue
			}
			s.end(err)
			return append(sent, pending[i:]...), errLost
		}
		var err error
		if p.confirmation, err = s.publish(ctx, p.exchange, p.key, false, p.message); err != nil {
			return append(sent, pending[i:]...), err
		}
		sent = append(sent, p)
	}
	for i, p := range sent {
		if err := s.confirmed(ctx, p.confirmation); err != nil {
			return sent[i:], err
		}
	}
	return nil, nil
}

// notifyExchange declares an exchange as oslo.messaging does with its defaults: topic, not durable, kept without queues. Declared
// otherwise by its owner (amqp_durable_queues), it is used as it is.
func (b *Bus) notifyExchange(ctx context.Context, s *session, name string) error {
	declare := func(durable bool) error {
		return s.once(ctx, name, func(ch *amqp091.Channel) error {
			return ch.ExchangeDeclare(name, "topic", durable, false, false, false, nil)
		})
	}
	err := declare(false)
	if code(err) == amqp091.PreconditionFailed {
		err = declare(true)
	}
	return err
}

// Subscribe implements bus.Bus: the events of all services, ours and others'. A subscriber gets what is published while it is
// connected.
func (b *Bus) Subscribe(f func(bus.Notification)) (func(), error) {
	queue := inboxQueue(b.host, b.id) + "." + strings.ToLower(crand.Text()[:8])
	c := b.newConsumer(queue, repliesExchange, nil, func(d amqp091.Delivery) {
		_ = d.Ack(false)
		n, err := decodeNotification(d.Body)
		if err != nil {
			b.Log.Warn("a notification does not read", "exchange", d.Exchange, "error", err)
			return
		}
		n.Service = d.Exchange
		n.Versioned = strings.HasPrefix(d.RoutingKey, topicVersioned+".")
		f(n)
	})
	c.own = true
	c.prepare = func(ctx context.Context, s *session) error {
		for _, exchange := range b.NotifyExchanges {
			if err := b.notifyExchange(ctx, s, exchange); err != nil {
				return err
			}
		}
		return nil
	}
	c.declare = func(ch *amqp091.Channel) error {
		if _, err := ch.QueueDeclare(queue, false, true, true, false, amqp091.Table{"x-max-length": int32(subscriberBacklog)}); err != nil {
			return err
		}
		for _, exchange := range b.NotifyExchanges {
			for _, topic := range []string{topicNotifications, topicVersioned} {
				if err := ch.QueueBind(queue, topic+".*", exchange, false, nil); err != nil {
					return err
				}
			}
		}
		return nil
	}
	s, _, _ := b.main.state()
	b.wg.Go(c.run)
	if s != nil {
		b.await(s, []*consumer{c})
	}
	return sync.OnceFunc(func() { c.stop(); c.release() }), nil
}

// subscriberBacklog is how many events wait for a slow subscriber before the oldest are lost.
const subscriberBacklog = 10_000
