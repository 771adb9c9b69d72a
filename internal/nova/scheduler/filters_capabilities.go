package scheduler

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// wantedCapability is an extra spec about the host.
type wantedCapability struct {
	path        []string
	requirement string
	scoped      bool
}

// wantedCapabilities are the extra specs "capabilities:key" and those without a scope.
func wantedCapabilities(flavor Flavor) []wantedCapability {
	var wanted []wantedCapability
	for key, requirement := range flavor.ExtraSpecs {
		path := strings.Split(key, ":")
		switch {
		case len(path) == 1:
			wanted = append(wanted, wantedCapability{path, requirement, false})
		case path[0] == "capabilities":
			wanted = append(wanted, wantedCapability{path[1:], requirement, true})
		}
	}
	return wanted
}

// passCapabilities compares extra specs with the host (ComputeCapabilitiesFilter). One without a scope counts only when it
// names something that the host has.
func passCapabilities(q *query, h *host) bool {
	for _, want := range q.capabilities {
		value, found := h.capability(want.path)
		if found && !matches(text(value), want.requirement) || !found && want.scoped {
			return false
		}
	}
	return true
}

// capability finds an attribute of the host by its name in nova, or in Capabilities, at any depth.
func (h *host) capability(path []string) (any, bool) {
	if len(path) == 0 {
		return nil, false
	}
	if read := attributes[path[0]]; read != nil {
		return read(h), len(path) == 1
	}
	var value any = h.Capabilities
	for _, key := range path {
		inner, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = inner[key]; !ok || value == nil {
			return nil, false
		}
	}
	return value, true
}

// attributes are those of nova's HostState that flavors and queries name.
var attributes = map[string]func(*host) any{
	"host":                func(h *host) any { return h.Name },
	"nodename":            func(h *host) any { return h.Node },
	"hypervisor_hostname": func(h *host) any { return h.Node },
	"hypervisor_type":     func(h *host) any { return h.HypervisorType },
	"hypervisor_version":  func(h *host) any { return h.HypervisorVersion },
	"host_ip":             func(h *host) any { return h.Address },
	"vcpus_total":         func(h *host) any { return h.vcpu.Total },
	"vcpus_used":          func(h *host) any { return h.vcpu.Used },
	"total_usable_ram_mb": func(h *host) any { return h.memory.Total },
	"free_ram_mb":         func(h *host) any { return h.freeMemory() },
	"total_usable_disk_gb": func(h *host) any {
		return h.disk.Total
	},
	"free_disk_mb":  func(h *host) any { return h.freeDisk() * 1024 },
	"num_instances": func(h *host) any { return h.servers },
	"num_io_ops":    func(h *host) any { return h.ioOps },
	"failed_builds": func(h *host) any { return h.FailedBuilds },
	"cpu_allocation_ratio": func(h *host) any {
		return h.vcpu.AllocationRatio
	},
	"ram_allocation_ratio": func(h *host) any {
		return h.memory.AllocationRatio
	},
	"disk_allocation_ratio": func(h *host) any {
		return h.disk.AllocationRatio
	},
}

func (h *host) freeMemory() int64 { return h.memory.Total - h.memory.Reserved - h.memory.Used }

func (h *host) freeDisk() int64 { return h.disk.Total - h.disk.Reserved - h.disk.Used }

func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []any, []string, map[string]any:
		encoded, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(encoded)
	}
	return fmt.Sprint(value)
}

// passJSON runs the query of a hint, as ["and", [">=", "$free_ram_mb", 1024], ["in", "$host", "a", "b"]] (JsonFilter).
func passJSON(q *query, h *host) bool {
	if !q.jsonRead {
		q.jsonRead = true
		if json.Unmarshal([]byte(q.hint("query", "")), &q.json) != nil {
			q.json = false
		}
	}
	return truth(h.evaluate(q.json, 0))
}

// maxDepth of a query; deeper ones match nothing.
const maxDepth = 32

func (h *host) evaluate(expression any, depth int) any {
	list, ok := expression.([]any)
	if !ok {
		if name, isText := expression.(string); isText && strings.HasPrefix(name, "$") {
			value, _ := h.capability(strings.Split(name[1:], "."))
			return value
		}
		return expression
	}
	if len(list) == 0 {
		return true // an empty query matches
	}
	operator, _ := list[0].(string)
	operation := queryOperators[operator]
	if operation == nil || depth > maxDepth {
		return false
	}
	operands := make([]any, len(list)-1)
	for i, operand := range list[1:] {
		operands[i] = h.evaluate(operand, depth+1)
	}
	return operation(operands)
}

var queryOperators = map[string]func([]any) bool{
	"=":  eachWithFirst(func(order int) bool { return order == 0 }),
	"<":  eachWithFirst(func(order int) bool { return order < 0 }),
	">":  eachWithFirst(func(order int) bool { return order > 0 }),
	"<=": eachWithFirst(func(order int) bool { return order <= 0 }),
	">=": eachWithFirst(func(order int) bool { return order >= 0 }),
	"in": func(operands []any) bool {
		return len(operands) > 1 && slices.ContainsFunc(operands[1:], same(operands[0]))
	},
	"and": func(operands []any) bool { return !slices.ContainsFunc(operands, falsehood) },
	"or":  func(operands []any) bool { return slices.ContainsFunc(operands, truth) },
	"not": func(operands []any) bool { return slices.ContainsFunc(operands, falsehood) },
}

// eachWithFirst compares the first operand with each of the others.
func eachWithFirst(holds func(order int) bool) func([]any) bool {
	return func(operands []any) bool {
		if len(operands) < 2 {
			return false
		}
		for _, other := range operands[1:] {
			order, comparable := compare(operands[0], other)
			if !comparable || !holds(order) {
				return false
			}
		}
		return true
	}
}

func same(a any) func(any) bool {
	return func(b any) bool {
		order, comparable := compare(a, b)
		return comparable && order == 0
	}
}

func compare(a, b any) (order int, comparable bool) {
	x, xIsNumber := number(a)
	y, yIsNumber := number(b)
	if xIsNumber && yIsNumber {
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	}
	s, sIsText := a.(string)
	t, tIsText := b.(string)
	return strings.Compare(s, t), sIsText && tIsText
}

func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	}
	return 0, false
}

func truth(value any) bool {
	switch v := value.(type) {
	case bool:
		return v
	case string:
		return v != ""
	case nil:
		return false
	}
	n, isNumber := number(value)
	return !isNumber || n != 0
}

func falsehood(value any) bool { return !truth(value) }
