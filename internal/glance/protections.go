package glance

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"gostack/internal/policy"
	"gostack/internal/rest"
)

// Formats of the rules of protected properties (upstream's property_protection_rule_format).
const (
	RolesFormat    = "roles"
	PoliciesFormat = "policies"
)

// What may be done to a property.
const (
	CreateProperty = "create"
	ReadProperty   = "read"
	UpdateProperty = "update"
	DeleteProperty = "delete"
)

var propertyOperations = []string{CreateProperty, ReadProperty, UpdateProperty, DeleteProperty}

// Protections say who may do what to which custom properties (https://docs.openstack.org/glance/latest/admin/property-protections.html).
// Rules are tried in the order of the file, and the first whose expression is found in a property's name decides. A property that no rule
// knows is nobody's. The nil Protections let everybody do everything.
type Protections struct {
	rules    []protection
	policies *policy.Engine // nil: rules name roles
}

type protection struct {
	name    *regexp.Regexp
	allowed map[string][]string // roles, or one policy, by operation; "@" is everybody, "!" nobody
}

// PropertyConfig says where the rules of protected properties are.
type PropertyConfig struct {
	File   string // "": properties are not protected
	Format string // "" is RolesFormat
	Policy string // file of policies that the format "policies" may name; "": upstream's only
}

func (c PropertyConfig) read() (*Protections, error) {
	if c.File == "" {
		return nil, nil //nolint:nilnil // nil Protections protect nothing
	}
	// Upstream's base rule is enforced nowhere by itself, but others may name it.
	policies, err := policy.New(Policies, []policy.Rule{{Name: "context_is_admin", Check: admin}})
	if err == nil && c.Policy != "" {
		err = policies.Override(c.Policy)
	}
	if err != nil {
		return nil, err
	}
	return ReadProtections(c.File, cmp.Or(c.Format, RolesFormat), policies)
}

// ReadProtections reads a file as upstream's: an INI section for each expression, with the four operations. policies knows the names that the
// format "policies" uses.
func ReadProtections(file, format string, policies *policy.Engine) (*Protections, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("property_protection_file: %w", err)
	}
	defer f.Close()
	p := &Protections{}
	switch format {
	case RolesFormat:
	case PoliciesFormat:
		p.policies = policies
	default:
		return nil, fmt.Errorf("property_protection_rule_format: %q is not roles or policies", format)
	}
	names := map[string]bool{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		if err := p.line(line, names); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", file, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("property_protection_file: %w", err)
	}
	for _, rule := range p.rules {
		for _, op := range propertyOperations {
			if _, there := rule.allowed[op]; !there {
				return nil, fmt.Errorf("%s: [%s] does not say who may %s", file, rule.name, op)
			}
		}
	}
	return p, nil
}

// line reads one line that says something.
func (p *Protections) line(line string, names map[string]bool) error {
	if section, ok := strings.CutPrefix(line, "["); ok {
		section, ok := strings.CutSuffix(section, "]")
		if !ok || section == "" || names[section] {
			return fmt.Errorf("%q is not an expression in brackets, or is there twice", line)
		}
		names[section] = true
		name, err := regexp.Compile(section)
		if err != nil {
			return fmt.Errorf("malformed property protection rule: %w", err)
		}
		p.rules = append(p.rules, protection{name, map[string][]string{}})
		return nil
	}
	at := strings.IndexAny(line, "=:")
	if at < 0 || len(p.rules) == 0 {
		return fmt.Errorf("%q is not an operation of a property and its roles", line)
	}
	op, allowed := strings.ToLower(strings.TrimSpace(line[:at])), p.rules[len(p.rules)-1].allowed
	_, again := allowed[op]
	if !slices.Contains(propertyOperations, op) || again {
		return fmt.Errorf("%q is not one of create, read, update and delete, or is there twice", op)
	}
	list := []string{}
	for word := range strings.SplitSeq(line[at+1:], ",") {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	allowed[op] = list
	switch {
	case slices.Contains(list, "@") && slices.Contains(list, "!"):
		return fmt.Errorf("%s: '@' and '!' are mutually exclusive", op)
	case p.policies == nil:
		return nil
	case len(list) > 1:
		return fmt.Errorf("%s: multiple policies are not allowed for an operation; they can be combined in the policy file", op)
	case len(list) == 1 && list[0] != "@" && list[0] != "!" && !p.policies.Has(list[0]):
		return fmt.Errorf("%s: there is no policy %s", op, list[0])
	}
	return nil
}

// Allow tells whether c may do something to a property; c nil is the cloud itself.
func (p *Protections) Allow(c *policy.Caller, operation, property string) bool {
	if p == nil || c == nil || len(p.rules) == 0 {
		return true
	}
	for _, rule := range p.rules {
		if !rule.name.MatchString(property) {
			continue
		}
		list := rule.allowed[operation]
		switch {
		case len(list) == 0, slices.Contains(list, "!"):
			return false
		case slices.Contains(list, "@"):
			return true
		case p.policies != nil:
			return p.policies.Check(list[0], c, policy.Target{}) == nil
		}
		return slices.ContainsFunc(list, c.HasRole)
	}
	return false
}

// MayProperty refuses what c may not do to a property, in upstream's words.
func (s *Service) MayProperty(c *policy.Caller, operation, property string) error {
	if s.protections.Allow(c, operation, property) {
		return nil
	}
	return rest.Forbidden("Attribute '%s' is reserved.", property)
}

// Readable tells whether c may see a property.
func (s *Service) Readable(c *policy.Caller, property string) bool {
	return s.protections.Allow(c, ReadProperty, property)
}

// conceal takes the properties out of img that c may not see, and returns them.
func (s *Service) conceal(c *policy.Caller, img *Image) (hidden map[string]string) {
	if s.protections == nil || c == nil {
		return nil
	}
	seen := map[string]string{}
	hidden = map[string]string{}
	for name, value := range img.Properties {
		if s.Readable(c, name) {
			seen[name] = value
		} else {
			hidden[name] = value
		}
	}
	img.Properties = seen
	return hidden
}

// protect refuses the changes between the properties that c saw and those that it leaves, and puts back what c did not see.
func (s *Service) protect(c *policy.Caller, img *Image, saw, hidden map[string]string) error {
	if s.protections == nil || c == nil {
		return nil
	}
	for name, value := range img.Properties {
		old, there := saw[name]
		operation := CreateProperty
		if there {
			operation = UpdateProperty
		}
		if there && old == value {
			continue
		}
		if err := s.MayProperty(c, operation, name); err != nil {
			return err
		}
	}
	for name := range saw {
		if _, there := img.Properties[name]; there {
			continue
		}
		if err := s.MayProperty(c, DeleteProperty, name); err != nil {
			return err
		}
	}
	for name, value := range hidden {
		if _, written := img.Properties[name]; !written {
			img.Properties[name] = value
		}
	}
	return nil
}
