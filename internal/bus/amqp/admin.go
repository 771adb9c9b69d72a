package amqp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gostack/internal/secret"
)

// Admin provisions a virtual host and its users through RabbitMQ's management API (plugin rabbitmq_management). Only the control
// side has one.
type Admin struct {
	// HostTopics are those that agents on hosts serve; ControlTopics are the roles of the control side that agents may call.
	HostTopics, ControlTopics []string

	base     string
	user     string
	password secret.String
	vhost    string
	client   *http.Client
}

// OpenAdmin reads http://user:password@host:15672 or https://…; vhost is that of the bus. tlsFiles are as in Options.
func OpenAdmin(address, vhost, caFile, certFile, keyFile string) (*Admin, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User == nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address of the message broker's management API is http(s)://user:password@host:port")
	}
	password, _ := u.User.Password()
	a := &Admin{base: u.Scheme + "://" + u.Host + "/api/", user: u.User.Username(), password: secret.New(password), vhost: vhost, client: &http.Client{Timeout: time.Minute}}
	transport := &http.Transport{Proxy: nil, IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 4}
	if u.Scheme == "https" {
		var c *tls.Config
		if c, err = tlsConfig(caFile, certFile, keyFile); err != nil {
			return nil, fmt.Errorf("TLS to the message broker's management API: %w", err)
		}
		transport.TLSClientConfig = c
	}
	a.client.Transport = transport
	return a, nil
}

// Close gives up idle connections.
func (a *Admin) Close() { a.client.CloseIdleConnections() }

// errAbsent is a 404.
var errAbsent = errors.New("not found")

// do makes a request; parts are the path, escaped here.
func (a *Admin) do(ctx context.Context, method string, body, reply any, parts ...string) error {
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	path := strings.Join(parts, "/")
	var r io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, r)
	if err != nil {
		return err
	}
	req.SetBasicAuth(a.user, a.password.Reveal())
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("message broker's management API: %w", err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	switch {
	case err != nil:
		return fmt.Errorf("message broker's management API: %w", err)
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("message broker's management API: %s %s: %w", method, path, errAbsent)
	case resp.StatusCode/100 != 2:
		return fmt.Errorf("message broker's management API: %s %s: %s: %s", method, path, resp.Status, said[:min(len(said), 300)])
	case reply != nil:
		return json.Unmarshal(said, reply)
	}
	return nil
}

func present(err error) error {
	if errors.Is(err, errAbsent) {
		return nil
	}
	return err
}

// EnsureVhost makes the virtual host and the exchanges that hosts look for.
func (a *Admin) EnsureVhost(ctx context.Context) error {
	// Made anew, a virtual host would be the same; but the broker then takes its time.
	if err := a.do(ctx, http.MethodGet, nil, nil, "vhosts", a.vhost); errors.Is(err, errAbsent) {
		err = a.do(ctx, http.MethodPut, map[string]any{}, nil, "vhosts", a.vhost)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	// The administrator needs permissions of its own to declare exchanges in a virtual host that another one made.
	if err := a.permit(ctx, a.user, permissions{".*", ".*", ".*"}, nil); err != nil {
		return err
	}
	for _, e := range a.exchanges() {
		if err := a.do(ctx, http.MethodPut, map[string]any{"type": "topic", "durable": true, "auto_delete": false, "internal": false, "arguments": map[string]any{}}, nil, "exchanges", a.vhost, e); err != nil {
			return err
		}
	}
	return nil
}

// exchanges are those that hosts have to do with.
func (a *Admin) exchanges() []string {
	list := []string{repliesExchange}
	for _, t := range slices.Concat(a.HostTopics, a.ControlTopics) {
		list = append(list, exchangeOf(t))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// EnsureControlUser makes the user of the control side, with the password that the replicas use.
func (a *Admin) EnsureControlUser(ctx context.Context, password secret.String) error {
	if err := a.setUser(ctx, ControlUser, password); err != nil {
		return err
	}
	return a.permit(ctx, ControlUser, permissions{".*", ".*", ".*"}, nil)
}

// EnsureHostUser makes the user of a host, or gives it another password; the old one is no good from then on. The user may do what
// hostRights says and nothing else.
func (a *Admin) EnsureHostUser(ctx context.Context, host string) (secret.String, error) {
	if !hostName.MatchString(host) {
		return secret.String{}, fmt.Errorf("%q is not the name of a host", host)
	}
	password := secret.New(rand.Text() + rand.Text())
	if err := a.setUser(ctx, HostUser(host), password); err != nil {
		return secret.String{}, err
	}
	for limit, n := range hostLimits {
		if err := a.do(ctx, http.MethodPut, map[string]int{"value": n}, nil, "user-limits", HostUser(host), limit); err != nil {
			return secret.String{}, err
		}
	}
	return password, a.permitHost(ctx, host)
}

// hostLimits are what a host's processes may have open; two or three connections with three channels each are usual.
var hostLimits = map[string]int{"max-connections": 16, "max-channels": 128}

// RefreshHostUsers gives all hosts' users the rights of the present topics, where they have others, and tells which hosts there are. Two
// requests are enough when nothing has changed.
func (a *Admin) RefreshHostUsers(ctx context.Context) ([]string, error) {
	var have []userPermissions
	if err := a.do(ctx, http.MethodGet, nil, &have, "vhosts", a.vhost, "permissions"); err != nil {
		return nil, err
	}
	var topics []userTopicRights
	if err := a.do(ctx, http.MethodGet, nil, &topics, "vhosts", a.vhost, "topic-permissions"); err != nil {
		return nil, err
	}
	byUser := map[string][]topicRights{}
	for _, t := range topics {
		byUser[t.User] = append(byUser[t.User], topicRights{t.Exchange, t.Write, t.Read})
	}
	var hosts []string
	for _, u := range have {
		host, ok := strings.CutPrefix(u.User, HostUserPrefix)
		if !ok {
			continue
		}
		hosts = append(hosts, host)
		want, wantTopics := a.hostRights(host)
		got := byUser[u.User]
		slices.SortFunc(got, func(x, y topicRights) int { return strings.Compare(x.exchange, y.exchange) })
		if want == (permissions{u.Configure, u.Write, u.Read}) && slices.Equal(got, wantTopics) {
			continue
		}
		if err := a.permitHost(ctx, host); err != nil {
			return nil, err
		}
	}
	slices.Sort(hosts)
	return hosts, nil
}

func (a *Admin) permitHost(ctx context.Context, host string) error {
	p, topics := a.hostRights(host)
	return a.permit(ctx, HostUser(host), p, topics)
}

// RemoveHostUser takes a host's user away and ends its connections. A host that has none is no error.
func (a *Admin) RemoveHostUser(ctx context.Context, host string) error {
	user := HostUser(host)
	if err := present(a.do(ctx, http.MethodDelete, nil, nil, "users", user)); err != nil {
		return err
	}
	// The broker ends them by itself, not always at once; and it answers 500 for one that is ending just now.
	var failed error
	for try := range closeTries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return errors.Join(failed, ctx.Err())
			case <-time.After(closePause):
			}
		}
		var list []struct{ Name string }
		if err := a.do(ctx, http.MethodGet, nil, &list, "connections", "username", user); err != nil {
			return present(err)
		}
		failed = nil
		for _, c := range list {
			failed = errors.Join(failed, present(a.do(ctx, http.MethodDelete, nil, nil, "connections", c.Name)))
		}
		if failed == nil {
			return nil
		}
	}
	return failed
}

// How often, and after which pause, the connections of a removed user are looked for when the broker failed to end one.
const (
	closeTries = 10
	closePause = 300 * time.Millisecond
)

func (a *Admin) setUser(ctx context.Context, user string, password secret.String) error {
	return a.do(ctx, http.MethodPut, map[string]string{"password": password.Reveal(), "tags": ""}, nil, "users", user)
}

// Counts is what the virtual host holds, for operators and tests.
type Counts struct{ Exchanges, Queues, Messages int }

// Count counts the exchanges (the broker's own apart), queues and messages that wait.
func (a *Admin) Count(ctx context.Context) (Counts, error) {
	var c Counts
	var exchanges []struct{ Name string }
	if err := a.do(ctx, http.MethodGet, nil, &exchanges, "exchanges", a.vhost); err != nil {
		return c, err
	}
	for _, e := range exchanges {
		if e.Name != "" && !strings.HasPrefix(e.Name, "amq.") {
			c.Exchanges++
		}
	}
	var queues []struct{ Messages int }
	if err := a.do(ctx, http.MethodGet, nil, &queues, "queues", a.vhost); err != nil {
		return c, err
	}
	c.Queues = len(queues)
	for _, q := range queues {
		c.Messages += q.Messages
	}
	return c, nil
}

// DeadLetters is how many messages were put aside in the last week. A look at them is for RabbitMQ's own tools: queue gostack.dead.
func (a *Admin) DeadLetters(ctx context.Context) (int, error) {
	var q struct{ Messages int }
	err := a.do(ctx, http.MethodGet, nil, &q, "queues", a.vhost, deadQueue)
	return q.Messages, present(err)
}
