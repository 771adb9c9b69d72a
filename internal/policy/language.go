package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The language, as oslo.policy's documentation has it:
//
//	expr  := and-terms joined by "or"; terms joined by "and"; "not" term; "(" expr ")"
//	check := "@" | "!" | kind ":" match
//
// kind is rule, role, field (Neutron's own: "field:networks:shared=True"), a quoted or bare literal, or the name of a
// credential; match may hold %(name)s, which the target fills in.

type question struct {
	engine *Engine
	caller *Caller
	target Target
	depth  int
}

type check interface{ ok(q *question) bool }

type (
	always  bool
	all     []check
	anyOf   []check
	not     struct{ check }
	ruleRef string
	roleIs  string
	fieldIs struct {
		name, value string
		pattern     *regexp.Regexp
	}
	compares struct{ left, right string }
)

func (a always) ok(*question) bool { return bool(a) }

func (a all) ok(q *question) bool {
	for _, c := range a {
		if !c.ok(q) {
			return false
		}
	}
	return true
}

func (a anyOf) ok(q *question) bool {
	for _, c := range a {
		if c.ok(q) {
			return true
		}
	}
	return false
}

func (n not) ok(q *question) bool { return !n.check.ok(q) }

// maxDepth ends rules that refer to each other in a circle; upstream refuses such files at start.
const maxDepth = 32

func (r ruleRef) ok(q *question) bool {
	c := q.engine.rules[string(r)]
	if c == nil || q.depth >= maxDepth {
		return false
	}
	q.depth++
	defer func() { q.depth-- }()
	return c.check.ok(q)
}

func (r roleIs) ok(q *question) bool {
	name, ok := fill(string(r), q.target)
	return ok && q.caller.HasRole(name)
}

// ok compares a field of the target; a value that begins with ~ is a regular expression for its beginning, as in Neutron's
// "field:port:device_owner=~^network:".
func (f fieldIs) ok(q *question) bool {
	v, ok := q.target.lookup(f.name)
	if f.pattern != nil {
		return ok && f.pattern.MatchString(text(v))
	}
	return ok && text(v) == f.value
}

func (c compares) ok(q *question) bool {
	right, ok := fill(c.right, q.target)
	if !ok {
		return false
	}
	if lit, isLit := literal(c.left); isLit {
		return lit == right
	}
	values := q.caller.credential(c.left)
	for _, v := range values {
		if v == right {
			return true
		}
	}
	// Upstream's credentials hold None for what the token does not have, and "domain_id:None" asks for that.
	return len(values) == 0 && c.right == "None"
}

// literal reads the left side as a Python literal: a quoted string, a number, True, False or None.
func literal(s string) (string, bool) {
	if len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1], true
	}
	switch s {
	case "True", "False", "None":
		return s, true
	}
	_, err := strconv.Atoi(s)
	return s, err == nil
}

// fill replaces every %(name)s; a name that the target lacks makes the check fail.
func fill(match string, t Target) (string, bool) {
	for from := 0; ; {
		i := strings.Index(match[from:], "%(")
		if i < 0 {
			return match, true
		}
		i += from
		j := strings.Index(match[i:], ")s")
		if j < 0 {
			return "", false
		}
		v, ok := t.lookup(match[i+2 : i+j])
		if !ok {
			return "", false
		}
		s := text(v)
		match = match[:i] + s + match[i+j+2:]
		from = i + len(s) // a value is never read as a pattern again
	}
}

func (t Target) lookup(name string) (any, bool) {
	if v, ok := t[name]; ok {
		return v, true
	}
	head, rest, ok := strings.Cut(name, ".")
	if !ok {
		return nil, false
	}
	switch sub := t[head].(type) {
	case Target:
		return sub.lookup(rest)
	case map[string]any:
		return Target(sub).lookup(rest)
	}
	return nil, false
}

// text writes a value as Python's str would: that is what the checks were written against.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return v
	case *string:
		if v == nil {
			return "None"
		}
		return *v
	}
	return fmt.Sprint(v)
}

func references(c check) []string {
	switch c := c.(type) {
	case ruleRef:
		return []string{string(c)}
	case not:
		return references(c.check)
	case all:
		return referencesOf(c)
	case anyOf:
		return referencesOf(c)
	}
	return nil
}

func referencesOf(cs []check) (refs []string) {
	for _, c := range cs {
		refs = append(refs, references(c)...)
	}
	return refs
}

func parse(s string) (check, error) {
	if strings.TrimSpace(s) == "" {
		return always(true), nil
	}
	p := &parser{words: words(s)}
	c, err := p.or()
	if err == nil && p.pos < len(p.words) {
		err = fmt.Errorf("unexpected %q", p.words[p.pos])
	}
	if err != nil {
		return nil, fmt.Errorf("%w in %q", err, s)
	}
	return c, nil
}

// words splits at white space and at parentheses that stand at a word's edge; "%(name)s" stays whole.
func words(s string) (out []string) {
	for _, w := range strings.Fields(s) {
		for strings.HasPrefix(w, "(") {
			out, w = append(out, "("), w[1:]
		}
		closing := 0
		for strings.HasSuffix(w, ")") {
			w, closing = w[:len(w)-1], closing+1
		}
		if w != "" {
			out = append(out, w)
		}
		for range closing {
			out = append(out, ")")
		}
	}
	return out
}

type parser struct {
	words []string
	pos   int
}

func (p *parser) accept(word string) bool {
	if p.pos < len(p.words) && strings.EqualFold(p.words[p.pos], word) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) or() (check, error) {
	c, err := p.and()
	list := anyOf{c}
	for err == nil && p.accept("or") {
		c, err = p.and()
		list = append(list, c)
	}
	if err != nil || len(list) > 1 {
		return list, err
	}
	return list[0], nil
}

func (p *parser) and() (check, error) {
	c, err := p.term()
	list := all{c}
	for err == nil && p.accept("and") {
		c, err = p.term()
		list = append(list, c)
	}
	if err != nil || len(list) > 1 {
		return list, err
	}
	return list[0], nil
}

func (p *parser) term() (check, error) {
	switch {
	case p.accept("not"):
		c, err := p.term()
		return not{c}, err
	case p.accept("("):
		c, err := p.or()
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("missing )")
		}
		return c, err
	case p.pos == len(p.words):
		return nil, fmt.Errorf("something is missing at the end")
	}
	w := p.words[p.pos]
	p.pos++
	return leaf(w)
}

func leaf(w string) (check, error) {
	switch w {
	case "@":
		return always(true), nil
	case "!":
		return always(false), nil
	}
	kind, match, ok := strings.Cut(w, ":")
	if !ok || kind == "" {
		return nil, fmt.Errorf("%q is no check", w)
	}
	switch kind {
	case "rule":
		return ruleRef(match), nil
	case "role":
		return roleIs(match), nil
	case "field":
		_, cond, _ := strings.Cut(match, ":")
		name, value, ok := strings.Cut(cond, "=")
		if !ok {
			return nil, fmt.Errorf("%q is no field check", w)
		}
		f := fieldIs{name: name, value: value}
		if expr, ok := strings.CutPrefix(value, "~"); ok {
			var err error
			if f.pattern, err = regexp.Compile("^(?:" + expr + ")"); err != nil {
				return nil, fmt.Errorf("%q: %w", w, err)
			}
		}
		return f, nil
	}
	return compares{kind, match}, nil
}
