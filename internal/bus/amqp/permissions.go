package amqp

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// permissions are a user's in a virtual host: expressions that names of exchanges and queues must match (RabbitMQ's access control).
type permissions struct{ configure, write, read string }

// topicRights are about routing keys in one topic exchange: to publish, and to bind by.
type topicRights struct{ exchange, write, read string }

// userPermissions and userTopicRights are how the management API lists them.
type (
	userPermissions struct{ User, Configure, Write, Read string }
	userTopicRights struct{ User, Exchange, Write, Read string }
)

// nothing matches no name that is used.
const nothing = "^$"

// hostRights are what a host may do:
//
//   - declare, bind, read and delete its own queues: those of its topics and its inbox,
//   - bind them in its services' exchanges to its own address, and to fanouts of the topics that hosts serve,
//   - publish to roles of the control side, and replies to inboxes of the control side.
//
// Nothing in the default exchange, by which any queue could be reached. RabbitMQ allows every routing key in a topic exchange
// for which a user has no topic permission, so each exchange that may be written has one.
func (a *Admin) hostRights(host string) (permissions, []topicRights) {
	h := regexp.QuoteMeta(host)
	serve := anyOf(a.HostTopics)
	own := `gostack\.host\.` + h + `\.` + serve + `|gostack\.inbox\.host\.` + h + `\.[a-z0-9]+`
	var exchanges []string
	for _, e := range a.exchanges() {
		exchanges = append(exchanges, regexp.QuoteMeta(e))
	}
	all := "^(" + own + "|" + strings.Join(exchanges, "|") + ")$"
	p := permissions{configure: "^(" + own + ")$", write: all, read: all}
	var topics []topicRights
	for _, e := range a.exchanges() {
		r := topicRights{e, nothing, nothing}
		if e == repliesExchange {
			r.write, r.read = `^control\.[a-z0-9]+$`, `^host\.`+h+`\.[a-z0-9]+$`
		}
		if call := in(e, a.ControlTopics); len(call) > 0 {
			r.write = `^(call|cast)\.` + anyOf(call) + "$"
		}
		if serve := in(e, a.HostTopics); len(serve) > 0 {
			r.read = `^(host\.` + anyOf(serve) + `\.` + h + `|fanout\.` + anyOf(serve) + ")$"
		}
		topics = append(topics, r)
	}
	return p, topics
}

func in(exchange string, topics []string) []string {
	return slices.DeleteFunc(slices.Clone(topics), func(t string) bool { return exchangeOf(t) != exchange })
}

func anyOf(topics []string) string {
	var list []string
	for _, t := range topics {
		list = append(list, regexp.QuoteMeta(t))
	}
	return "(" + strings.Join(list, "|") + ")"
}

// permit sets a user's rights. The topics come first: without them an exchange would be open for a moment.
func (a *Admin) permit(ctx context.Context, user string, p permissions, topics []topicRights) error {
	for _, t := range topics {
		err := a.do(ctx, http.MethodPut, map[string]string{"exchange": t.exchange, "write": t.write, "read": t.read}, nil, "topic-permissions", a.vhost, user)
		if err != nil {
			return err
		}
	}
	return a.do(ctx, http.MethodPut, map[string]string{"configure": p.configure, "write": p.write, "read": p.read}, nil, "permissions", a.vhost, user)
}
