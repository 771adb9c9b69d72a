package scheduler

import (
	"slices"
	"strconv"
	"strings"
)

// comparators are the operators of extra specs with one operand
// (nova docs, admin/scheduling, ComputeCapabilitiesFilter and AggregateInstanceExtraSpecsFilter).
var comparators = map[string]func(value, want string) bool{
	"=":    numbers(func(a, b float64) bool { return a >= b }),
	"==":   numbers(func(a, b float64) bool { return a == b }),
	"!=":   numbers(func(a, b float64) bool { return a != b }),
	">=":   numbers(func(a, b float64) bool { return a >= b }),
	"<=":   numbers(func(a, b float64) bool { return a <= b }),
	"s==":  func(a, b string) bool { return a == b },
	"s!=":  func(a, b string) bool { return a != b },
	"s<":   func(a, b string) bool { return a < b },
	"s<=":  func(a, b string) bool { return a <= b },
	"s>":   func(a, b string) bool { return a > b },
	"s>=":  func(a, b string) bool { return a >= b },
	"<in>": strings.Contains,
}

func numbers(compare func(a, b float64) bool) func(value, want string) bool {
	return func(value, want string) bool {
		a, errA := strconv.ParseFloat(value, 64)
		b, errB := strconv.ParseFloat(want, 64)
		return errA == nil && errB == nil && compare(a, b)
	}
}

// matches tells whether a value fulfils a requirement: "s== x86_64", ">= 4", "<in> ssse3", "<all-in> aes mmx",
// "<or> a <or> b", or a plain text that must be equal.
func matches(value, requirement string) bool {
	words := strings.Fields(requirement)
	if len(words) == 0 {
		return value == requirement
	}
	operator, operands := words[0], words[1:]
	switch {
	case operator == "<or>":
		for i := 0; i < len(operands); i += 2 {
			if operands[i] == value {
				return true
			}
		}
		return false
	case operator == "<all-in>":
		return len(operands) > 0 && !slices.ContainsFunc(operands, func(part string) bool { return !strings.Contains(value, part) })
	case comparators[operator] != nil:
		return len(operands) > 0 && comparators[operator](value, operands[0])
	}
	return value == requirement
}
