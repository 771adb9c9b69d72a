package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Memory is the transport inside one process. All components share one. Messages go through JSON all the same, so nobody shares
// memory by accident and what works here works over a broker.
type Memory struct {
	mu          sync.RWMutex
	servers     map[string][]*memoryServer // by topic
	next        atomic.Uint64
	subscribers map[int]*subscriber
	lastSub     int
}

type memoryServer struct {
	host     string
	handlers Handlers
	ctx      context.Context
	cancel   context.CancelFunc
	mu       sync.Mutex
	stopped  bool
	under    sync.WaitGroup
}

type subscriber struct{ ch chan Notification }

// NewMemory makes an empty transport.
func NewMemory() *Memory {
	return &Memory{servers: map[string][]*memoryServer{}, subscribers: map[int]*subscriber{}}
}

var _ Bus = (*Memory)(nil)

func (m *Memory) pick(to To) *memoryServer {
	m.mu.RLock()
	defer m.mu.RUnlock()
	list := m.servers[to.Topic]
	if to.Host != "" {
		for _, s := range list {
			if s.host == to.Host {
				return s
			}
		}
		return nil
	}
	if len(list) == 0 {
		return nil
	}
	return list[m.next.Add(1)%uint64(len(list))]
}

// Call implements Bus.
func (m *Memory) Call(ctx context.Context, to To, method string, args, reply any) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	s, msg, err := m.prepare(ctx, to, method, args)
	if err != nil {
		return err
	}
	type answer struct {
		raw []byte
		err error
	}
	done := make(chan answer, 1)
	if !s.handle(ctx, msg, func(raw []byte, err error) { done <- answer{raw, err} }) {
		return fmt.Errorf("%s on %s: %w", method, to, ErrUnroutable)
	}
	select {
	case a := <-done:
		if a.err != nil || reply == nil {
			return a.err
		}
		return json.Unmarshal(a.raw, reply)
	case <-ctx.Done():
		return fmt.Errorf("%s on %s: no answer in time: %w", method, to, ctx.Err())
	}
}

// Cast implements Bus.
func (m *Memory) Cast(ctx context.Context, to To, method string, args any) error {
	s, msg, err := m.prepare(ctx, to, method, args)
	if err != nil {
		return err
	}
	if !s.handle(context.WithoutCancel(ctx), msg, func([]byte, error) {}) {
		return fmt.Errorf("%s on %s: %w", method, to, ErrUnroutable)
	}
	return nil
}

func (m *Memory) prepare(ctx context.Context, to To, method string, args any) (*memoryServer, *Message, error) {
	raw, err := json.Marshal(args)
	if err != nil {
		return nil, nil, err
	}
	s := m.pick(to)
	if s == nil {
		return nil, nil, fmt.Errorf("%s on %s: %w", method, to, ErrUnroutable)
	}
	return s, &Message{From: Sender(ctx), RequestID: RequestID(ctx), Method: method, Args: raw}, nil
}

// Fanout implements Bus.
func (m *Memory) Fanout(ctx context.Context, topic, method string, args any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	m.mu.RLock()
	list := append([]*memoryServer(nil), m.servers[topic]...)
	m.mu.RUnlock()
	for _, s := range list {
		s.handle(context.WithoutCancel(ctx), &Message{From: Sender(ctx), RequestID: RequestID(ctx), Method: method, Args: raw}, func([]byte, error) {})
	}
	return nil
}

// handle runs a message in a goroutine of its own; false: the server has stopped.
func (s *memoryServer) handle(ctx context.Context, msg *Message, done func([]byte, error)) bool {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return false
	}
	s.under.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.under.Done()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.ctx, cancel)()
		done(Answer(WithRequestID(ctx, msg.RequestID), s.handlers, msg))
	}()
	return true
}

// Answer runs a handler, for a transport, and makes of whatever it does a reply or a *RemoteError.
func Answer(ctx context.Context, handlers Handlers, msg *Message) (raw []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			raw, err = nil, Fail(CodePermanent, "%s: panic: %v", msg.Method, p)
		}
	}()
	h := handlers[msg.Method]
	if h == nil {
		return nil, Fail(CodePermanent, "there is no method %s", msg.Method)
	}
	reply, err := h(ctx, msg)
	if err != nil {
		var remote *RemoteError
		if errors.As(err, &remote) {
			return nil, &RemoteError{remote.Code, err.Error()}
		}
		return nil, &RemoteError{Message: err.Error()}
	}
	raw, err = json.Marshal(reply)
	if err != nil {
		return nil, Fail(CodePermanent, "the reply of %s cannot be written: %v", msg.Method, err)
	}
	return raw, nil
}

// Serve implements Bus. Two servers at one address (topic and host) are refused.
func (m *Memory) Serve(to To, h Handlers) (func(), error) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &memoryServer{host: to.Host, handlers: h, ctx: ctx, cancel: cancel}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.servers[to.Topic] {
		if to.Host != "" && other.host == to.Host {
			cancel()
			return nil, fmt.Errorf("%s is served already", to)
		}
	}
	m.servers[to.Topic] = append(m.servers[to.Topic], s)
	return func() { m.stop(to.Topic, s) }, nil
}

func (m *Memory) stop(topic string, s *memoryServer) {
	m.mu.Lock()
	list := m.servers[topic]
	for i := range list {
		if list[i] == s {
			m.servers[topic] = append(append([]*memoryServer(nil), list[:i]...), list[i+1:]...)
			break
		}
	}
	m.mu.Unlock()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.cancel()
	s.under.Wait()
}

// backlog is how many notifications may wait for a slow subscriber before the oldest are lost.
const backlog = 1024

// Listening tells whether anybody subscribes: if not, Notify would tell nobody.
func (m *Memory) Listening() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.subscribers) > 0
}

// Notify implements Bus.
func (m *Memory) Notify(_ context.Context, n Notification) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, s := range m.subscribers {
		for {
			select {
			case s.ch <- n:
			default:
				select {
				case <-s.ch:
				default:
				}
				continue
			}
			break
		}
	}
	return nil
}

// Subscribe implements Bus.
func (m *Memory) Subscribe(f func(Notification)) (func(), error) {
	s := &subscriber{ch: make(chan Notification, backlog)}
	m.mu.Lock()
	m.lastSub++
	id := m.lastSub
	m.subscribers[id] = s
	m.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range s.ch {
			f(n)
		}
	}()
	var once sync.Once
	return func() {
		once.Do(func() {
			m.mu.Lock()
			delete(m.subscribers, id)
			m.mu.Unlock()
			close(s.ch)
		})
		<-done
	}, nil
}

type senderKey struct{}

// AsHost makes messages sent under ctx come from a host. A broker knows a host by its credentials: there it holds for the control
// side alone, which may play hosts (simulated ones, or the one it runs on); from a host's own connection it changes nothing.
func AsHost(ctx context.Context, host string) context.Context {
	return context.WithValue(ctx, senderKey{}, host)
}

// Sender returns the host that AsHost set, or "".
func Sender(ctx context.Context) string {
	h, _ := ctx.Value(senderKey{}).(string)
	return h
}
