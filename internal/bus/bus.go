// Package bus carries messages between components: call, cast, fanout and notify.
//
// It carries no truth. A lost, repeated or reordered message costs time only: what must happen is an operation in the
// database, and handlers are idempotent. Transports: memory (one process) and AMQP; both pass bustest. Arguments and replies are JSON.
package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// To is an address: any server of a topic, or the one on a host.
type To struct{ Topic, Host string }

func (t To) String() string {
	if t.Host == "" {
		return t.Topic
	}
	return t.Topic + "@" + t.Host
}

// Message is what a handler gets.
type Message struct {
	// From is the host that sent it, as the transport knows it (not as the sender says): a host can only speak for itself.
	From      string
	RequestID string
	Method    string
	Args      json.RawMessage
}

// Handler answers one method. The reply must go through JSON.
type Handler func(ctx context.Context, m *Message) (any, error)

// Handlers are the methods of a server, by name.
type Handlers map[string]Handler

// Notification is an event for whoever listens, in oslo.messaging's terms.
type Notification struct {
	EventType string          `json:"event_type"` // "instance.create.end"
	Publisher string          `json:"publisher_id"`
	Priority  string          `json:"priority"` // info, error, …
	Payload   json.RawMessage `json:"payload"`
	MessageID string          `json:"message_id"`
	Timestamp time.Time       `json:"timestamp"`
	RequestID string          `json:"_context_request_id,omitempty"`
	Project   string          `json:"_context_project_id,omitempty"`

	// Service is whose event it is: upstream's control_exchange, "nova", "glance", …; empty is oslo.messaging's default, "openstack".
	Service string `json:"-"`
	// Versioned events go to topic versioned_notifications, others to notifications.
	Versioned bool `json:"-"`
	// Context holds more of the request's context, such as user_id.
	Context map[string]any `json:"-"`
}

// Bus is a transport as one process sees it.
type Bus interface {
	// Call sends and waits for the reply, until ctx ends or a minute has passed. No server at the address is ErrUnroutable at once;
	// an error of the handler comes back as a *RemoteError.
	Call(ctx context.Context, to To, method string, args, reply any) error
	// Cast sends to one server and does not wait. Nobody there is ErrUnroutable.
	Cast(ctx context.Context, to To, method string, args any) error
	// Fanout sends to every server of a topic; nobody there is no error.
	Fanout(ctx context.Context, topic, method string, args any) error
	// Serve answers for a topic on a host until stop is called; stop waits for handlers under way.
	Serve(to To, h Handlers) (stop func(), err error)
	// Notify publishes an event.
	Notify(ctx context.Context, n Notification) error
	// Subscribe gives every notification published from now on to f, in order, until stop is called.
	Subscribe(f func(Notification)) (stop func(), err error)
}

// ErrUnroutable says that nobody serves the address: the host is down or was never there.
var ErrUnroutable = errors.New("nobody answers at this address")

// Codes of remote errors that callers decide by.
const (
	CodePermanent = "permanent" // no retry will help
	CodeNotFound  = "not_found"
	CodeForbidden = "forbidden"
	CodeBusy      = "busy"
)

// RemoteError is an error of a handler, as its caller sees it.
type RemoteError struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
}

func (e *RemoteError) Error() string { return e.Message }

// Fail makes an error with a code that survives the way back.
func Fail(code, format string, args ...any) error {
	return &RemoteError{code, fmt.Sprintf(format, args...)}
}

// Code returns the code of a remote error, or "".
func Code(err error) string {
	var e *RemoteError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// Handle makes a Handler of a function with typed arguments and reply.
func Handle[A, R any](f func(ctx context.Context, from string, args A) (R, error)) Handler {
	return func(ctx context.Context, m *Message) (any, error) {
		var args A
		if len(m.Args) > 0 {
			if err := json.Unmarshal(m.Args, &args); err != nil {
				return nil, Fail(CodePermanent, "the arguments of %s do not read: %v", m.Method, err)
			}
		}
		return f(ctx, m.From, args)
	}
}

type ephemeralKey struct{}

// Ephemeral marks casts sent under ctx as worthless when late, like heartbeats: a transport must not keep them for a server that comes
// later. Others it keeps where it can.
func Ephemeral(ctx context.Context) context.Context {
	return context.WithValue(ctx, ephemeralKey{}, true)
}

// IsEphemeral tells whether Ephemeral was called.
func IsEphemeral(ctx context.Context) bool { return ctx.Value(ephemeralKey{}) != nil }

type requestIDKey struct{}

// WithRequestID makes messages sent under ctx carry a request id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the request id of the message being handled, or that WithRequestID set.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// CallTimeout ends calls whose context has no deadline, or a later one.
const CallTimeout = time.Minute
