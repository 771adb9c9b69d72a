package nova

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"gostack/internal/policy"
	"gostack/internal/rest"
)

// GroupRuleRequest is a rule as os-security-group-rules is asked for it: everything may be absent.
type GroupRuleRequest struct {
	ParentGroupID, CIDR, GroupID string
	Protocol, FromPort, ToPort   *string
}

// OldGroup returns a security group that the caller sees.
func (s *Service) OldGroup(ctx context.Context, c *policy.Caller, id string) (*SecurityGroup, error) {
	if !rest.IsUUID(id) {
		return nil, rest.BadRequest("Security group id should be uuid")
	}
	groups, err := s.OldNetwork.Groups(ctx, c, id, true)
	if err != nil {
		return nil, err
	}
	if len(groups) == 0 {
		return nil, rest.NotFound("Security group %s does not exist", id)
	}
	return &groups[0], nil
}

// CreateOldGroup makes a security group. Neutron's conflicts, of quota above all, are refusals here, as upstream answers them.
func (s *Service) CreateOldGroup(ctx context.Context, c *policy.Caller, name, description string) (*SecurityGroup, error) {
	id, err := s.OldNetwork.CreateGroup(ctx, c, name, description)
	if err != nil {
		return nil, as(err, http.StatusConflict, http.StatusForbidden)
	}
	return s.OldGroup(ctx, c, id)
}

// UpdateOldGroup renames a security group.
func (s *Service) UpdateOldGroup(ctx context.Context, c *policy.Caller, id, name, description string) (*SecurityGroup, error) {
	if _, err := s.OldGroup(ctx, c, id); err != nil {
		return nil, err
	}
	if err := s.OldNetwork.UpdateGroup(ctx, c, id, name, description); err != nil {
		return nil, as(err, http.StatusConflict, http.StatusBadRequest)
	}
	return s.OldGroup(ctx, c, id)
}

// DeleteOldGroup removes a security group that is not in use.
func (s *Service) DeleteOldGroup(ctx context.Context, c *policy.Caller, id string) error {
	if _, err := s.OldGroup(ctx, c, id); err != nil {
		return err
	}
	return as(s.OldNetwork.DeleteGroup(ctx, c, id), http.StatusConflict, http.StatusBadRequest)
}

// as turns an error of one status into the same of another.
func as(err error, from, to int) error {
	if err == nil || rest.StatusOf(err) != from {
		return err
	}
	return rest.Fail(to, "%s", publicText(err)).Because(err)
}

// CreateOldRule adds a rule to a security group.
func (s *Service) CreateOldRule(ctx context.Context, c *policy.Caller, in GroupRuleRequest) (*GroupRule, error) {
	group, err := s.OldGroup(ctx, c, in.ParentGroupID)
	if err != nil {
		return nil, err
	}
	rule := NewGroupRule{GroupID: group.ID, RemoteGroupID: in.GroupID}
	if in.GroupID != "" {
		if _, err := s.OldGroup(ctx, c, in.GroupID); err != nil {
			return nil, err
		}
	} else if rule.CIDR, err = oldCIDR(in.CIDR); err != nil {
		return nil, err
	}
	if err := rule.traffic(in); err != nil {
		return nil, err
	}
	for _, have := range group.Rules {
		if sameOldRule(&have, &rule) {
			return nil, rest.BadRequest("This rule already exists in group %s", group.ID)
		}
	}
	id, err := s.OldNetwork.CreateRule(ctx, c, rule)
	if err != nil {
		return nil, as(err, http.StatusConflict, http.StatusForbidden)
	}
	if group, err = s.OldGroup(ctx, c, group.ID); err != nil {
		return nil, err
	}
	for _, r := range group.Rules {
		if r.ID == id {
			return &r, nil
		}
	}
	return nil, rest.NotFound("Security group rule %s does not exist", id)
}

// DeleteOldRule removes a rule.
func (s *Service) DeleteOldRule(ctx context.Context, c *policy.Caller, id string) error {
	if !rest.IsUUID(id) {
		return rest.BadRequest("Security group id should be uuid")
	}
	return s.OldNetwork.DeleteRule(ctx, c, id)
}

func oldCIDR(cidr string) (string, error) {
	if cidr == "" {
		return "0.0.0.0/0", nil
	}
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return "", rest.BadRequest("Invalid cidr %s.", cidr)
	}
	if p.Bits() == 0 && !p.Addr().IsUnspecified() {
		return "", rest.BadRequest("Bad prefix for network in cidr %s", cidr)
	}
	return cidr, nil
}

// traffic reads protocol and ports (nova/network/security_group_api.py): they may be left out for rules about groups only.
func (n *NewGroupRule) traffic(in GroupRuleRequest) error {
	protocol := ""
	if in.Protocol != nil {
		protocol = strings.ToUpper(*in.Protocol)
	}
	from, to := in.FromPort, in.ToPort
	if n.RemoteGroupID != "" && from == nil && to == nil {
		switch protocol {
		case "ICMP":
			from, to = ptr("-1"), ptr("-1")
		case "TCP", "UDP":
			from, to = ptr("1"), ptr("65535")
		}
	}
	if protocol == "" || from == nil || to == nil {
		if n.RemoteGroupID == "" {
			return rest.BadRequest("Not enough parameters to build a valid rule.")
		}
		return nil
	}
	low, err1 := strconv.ParseInt(*from, 10, 64)
	high, err2 := strconv.ParseInt(*to, 10, 64)
	invalid := func(why string) error {
		return rest.BadRequest("Invalid port range %s:%s. %s", *from, *to, why)
	}
	switch {
	case (err1 != nil || err2 != nil) && protocol == "ICMP":
		return rest.BadRequest("Invalid input received: Type and Code must be integers for ICMP protocol type")
	case err1 != nil || err2 != nil:
		return rest.BadRequest("Invalid input received: To and From ports must be integers")
	case protocol != "TCP" && protocol != "UDP" && protocol != "ICMP":
		return rest.BadRequest("Invalid IP protocol %s.", *in.Protocol)
	case protocol != "ICMP" && low > high:
		return invalid("Former value cannot be greater than the later")
	case protocol != "ICMP" && (low < 1 || high > 65535):
		return invalid("Valid " + protocol + " ports should be between 1-65535")
	case protocol == "ICMP" && (low < -1 || low > 255 || high < -1 || high > 255):
		return invalid("For ICMP, the type:code must be valid")
	}
	n.Protocol, n.FromPort, n.ToPort = strings.ToLower(protocol), &low, &high
	return nil
}

func sameOldRule(a *GroupRule, b *NewGroupRule) bool {
	same := func(x, y *int64) bool { return x == nil && y == nil || x != nil && y != nil && *x == *y }
	protocol := ""
	if a.Protocol != nil {
		protocol = *a.Protocol
	}
	return a.RemoteGroupID == b.RemoteGroupID && (b.RemoteGroupID != "" || a.Range["cidr"] == b.CIDR) && protocol == b.Protocol && same(a.FromPort, b.FromPort) && same(a.ToPort, b.ToPort)
}

// publicText is what an error tells the user.
func publicText(err error) string {
	var e *rest.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "internal error"
}
