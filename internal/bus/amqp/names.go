package amqp

import (
	"fmt"
	"regexp"
	"strings"

	"gostack/internal/bus"
)

// The broker's users. The name of the user is the identity: RabbitMQ lets nobody publish under another name (property user_id).
const (
	// ControlUser is shared by the replicas of the control side.
	ControlUser = "gostack-control"
	// HostUserPrefix and the host's name are the user of a host.
	HostUserPrefix = "gostack-host-"
)

// Exchanges beside those of services. All are topic exchanges.
const (
	repliesExchange = "gostack.replies"
	deadExchange    = "gostack.dead"
	deadQueue       = "gostack.dead"
)

// wellFormed are the names of topics and hosts. No wildcard of AMQP and no separator of ours may hide in them.
var (
	topicName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	hostName  = regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?$`)
)

func checkAddress(to bus.To) error {
	if !topicName.MatchString(to.Topic) {
		return fmt.Errorf("%q is not the name of a topic", to.Topic)
	}
	if to.Host != "" && !hostName.MatchString(to.Host) {
		return fmt.Errorf("%q is not the name of a host", to.Host)
	}
	return nil
}

// HostUser is the broker's user of a host.
func HostUser(host string) string { return HostUserPrefix + host }

// identity is who a broker's user is: a host, or the control side with host "".
func identity(user string) (host string, err error) {
	if user == ControlUser {
		return "", nil
	}
	if host, ok := strings.CutPrefix(user, HostUserPrefix); ok && hostName.MatchString(host) {
		return host, nil
	}
	return "", fmt.Errorf("user %q is neither %s nor %sNAME", user, ControlUser, HostUserPrefix)
}

// exchangeOf is the exchange of the service that a topic belongs to: nova-compute is nova's.
func exchangeOf(topic string) string {
	service, _, _ := strings.Cut(topic, "-")
	return "gostack." + service
}

// The routing keys in a service's exchange. A host's name comes last, since it may hold dots.
func callKey(topic string) string       { return "call." + topic }
func castKey(topic string) string       { return "cast." + topic }
func fanoutKey(topic string) string     { return "fanout." + topic }
func hostKey(topic, host string) string { return "host." + topic + "." + host }

// The queues of a topic's servers.
func callQueue(topic string) string       { return "gostack.role." + topic + ".calls" }
func castQueue(topic string) string       { return "gostack.role." + topic + ".casts" }
func hostQueue(topic, host string) string { return "gostack.host." + host + "." + topic }

// inboxKey is where a process gets replies; the id is random and known to those alone whom it has called.
func inboxKey(host, id string) string {
	if host == "" {
		return "control." + id
	}
	return "host." + host + "." + id
}

func inboxQueue(host, id string) string { return "gostack.inbox." + inboxKey(host, id) }
