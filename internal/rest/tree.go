package rest

import "strings"

// node is a segment of the route tree. Literal segments win over parameters; a trailing parameter may take all the rest.
type node struct {
	literal map[string]*node
	param   *node
	rest    *node
	name    string // of the parameter that leads here
	methods map[string][]*compiledRoute
}

func (n *node) insert(path string) *node {
	for seg := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		switch {
		case seg == "":
		case strings.HasPrefix(seg, "{") && strings.HasSuffix(seg, "...}"):
			if n.rest == nil {
				n.rest = &node{name: seg[1 : len(seg)-4]}
			}
			n = n.rest
		case strings.HasPrefix(seg, "{"):
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
		default:
			if n.literal == nil {
				n.literal = map[string]*node{}
			}
			if n.literal[seg] == nil {
				n.literal[seg] = &node{}
			}
			n = n.literal[seg]
		}
	}
	return n
}

// find walks the segments and collects the values of parameters, in order.
func (n *node) find(segs, values []string) (*node, []string) {
	if len(segs) == 0 {
		if n.methods == nil {
			return nil, nil
		}
		return n, values
	}
	if next := n.literal[segs[0]]; next != nil {
		if found, v := next.find(segs[1:], values); found != nil {
			return found, v
		}
	}
	if n.param != nil && segs[0] != "" {
		if found, v := n.param.find(segs[1:], append(values[:len(values):len(values)], segs[0])); found != nil {
			return found, v
		}
	}
	if n.rest != nil {
		return n.rest, append(values[:len(values):len(values)], strings.Join(segs, "/"))
	}
	return nil, nil
}

// params pairs the names in a route's path with the values that find collected.
func params(path string, values []string) map[string]string {
	if len(values) == 0 {
		return nil
	}
	m := make(map[string]string, len(values))
	for seg := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(seg, "{") && len(values) > 0 {
			m[strings.TrimSuffix(seg[1:len(seg)-1], "...")] = values[0]
			values = values[1:]
		}
	}
	return m
}
