// Package policy decides who may do what: OpenStack's oslo.policy language, default rules and scopes.
//
// A service declares its rules as a table; New compiles all tables, Override lays an operator's file over them, Check
// asks one of them. The package knows no service and reads no database.
package policy

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"
)

// Scope is the kind of a token.
type Scope string

// The scopes of tokens.
const (
	System   Scope = "system"
	Domain   Scope = "domain"
	Project  Scope = "project"
	Unscoped Scope = "unscoped"
)

// Rule is a named check with upstream's default.
type Rule struct {
	Name  string
	Check string // in oslo.policy's language; "" and "@" let everyone in, "!" nobody
	// Scopes are the token scopes a rule accepts; none means any. A token of another scope is refused whatever its roles
	// (oslo.policy's enforce_scope).
	Scopes []Scope
}

// Target says what is acted upon: attribute names to values, dotted for nested ones ("target.user.domain_id").
type Target map[string]any

// Denied is the error of a refused check.
type Denied struct {
	Rule  string
	Scope bool // the token's scope was the reason
}

func (d *Denied) Error() string {
	if d.Scope {
		return fmt.Sprintf("policy %s does not accept tokens of this scope", d.Rule)
	}
	return fmt.Sprintf("policy %s does not allow this", d.Rule)
}

// Engine holds compiled rules. It is immutable after Override and safe for concurrent use.
type Engine struct{ rules map[string]*compiled }

type compiled struct {
	Rule
	check check
}

// New compiles rules. A rule that appears twice must be the same both times: services share base rules by name within their own prefix only.
func New(tables ...[]Rule) (*Engine, error) {
	e := &Engine{rules: map[string]*compiled{}}
	var errs []error
	for _, rules := range tables {
		for _, r := range rules {
			if old, ok := e.rules[r.Name]; ok {
				if old.Check != r.Check {
					errs = append(errs, fmt.Errorf("policy %s is declared twice, as %q and %q", r.Name, old.Check, r.Check))
				}
				continue
			}
			if err := e.set(r); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return e, errors.Join(append(errs, e.unknown()...)...)
}

func (e *Engine) set(r Rule) error {
	c, err := parse(r.Check)
	if err != nil {
		return fmt.Errorf("policy %s: %w", r.Name, err)
	}
	e.rules[r.Name] = &compiled{Rule: r, check: c}
	return nil
}

// unknown lists references to rules that nobody declares: they would refuse everybody.
func (e *Engine) unknown() (errs []error) {
	for name, r := range e.rules {
		for _, ref := range references(r.check) {
			if e.rules[ref] == nil {
				errs = append(errs, fmt.Errorf("policy %s refers to the unknown rule %q", name, ref))
			}
		}
	}
	sort.Slice(errs, func(i, j int) bool { return errs[i].Error() < errs[j].Error() })
	return errs
}

// Override lays a policy file over the defaults: YAML, rule name to check. New names become rules that others may refer to.
func (e *Engine) Override(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var checks map[string]string
	if err := yaml.Unmarshal(b, &checks); err != nil {
		return fmt.Errorf("policy file %s: %w", file, err)
	}
	for name, text := range checks {
		r := Rule{Name: name, Check: text}
		if old := e.rules[name]; old != nil {
			r.Scopes = old.Scopes
		}
		if err := e.set(r); err != nil {
			return fmt.Errorf("policy file %s: %w", file, err)
		}
	}
	return errors.Join(e.unknown()...)
}

// Has tells whether a rule is declared.
func (e *Engine) Has(name string) bool { return e.rules[name] != nil }

// Rules returns all rules, by name.
func (e *Engine) Rules() []Rule {
	all := make([]Rule, 0, len(e.rules))
	for _, c := range e.rules {
		all = append(all, c.Rule)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// Check returns nil when rule lets c act on t, and a *Denied otherwise. A rule nobody declared lets nobody in.
func (e *Engine) Check(rule string, c *Caller, t Target) error {
	r := e.rules[rule]
	if r == nil || c == nil {
		return &Denied{Rule: rule}
	}
	if len(r.Scopes) > 0 && !accepts(r.Scopes, c.Scope()) {
		return &Denied{Rule: rule, Scope: true}
	}
	if !r.check.ok(&question{engine: e, caller: c, target: t}) {
		return &Denied{Rule: rule}
	}
	return nil
}

// accepts counts an unscoped token as one of a project, as oslo.policy does: it has no roles and no project, so that few checks hold for it.
func accepts(scopes []Scope, s Scope) bool {
	if s == Unscoped {
		s = Project
	}
	for _, want := range scopes {
		if want == s {
			return true
		}
	}
	return false
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
