package firstcloud

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"

	"gostack/internal/secret"
)

// api is one user of the public APIs.
type api struct {
	identity, compute, network, image *gophercloud.ServiceClient
}

func login(ctx context.Context, authURL, region, user, project string, password secret.String) (*api, error) {
	p, err := openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{
		IdentityEndpoint: authURL, Username: user, Password: password.Reveal(), DomainName: "Default", TenantName: project, AllowReauth: true,
	})
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w", user, err)
	}
	where := gophercloud.EndpointOpts{Region: region}
	a := &api{}
	for _, s := range []struct {
		into **gophercloud.ServiceClient
		open func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)
	}{
		{&a.identity, openstack.NewIdentityV3}, {&a.compute, openstack.NewComputeV2}, {&a.network, openstack.NewNetworkV2}, {&a.image, openstack.NewImageV2},
	} {
		if *s.into, err = s.open(p, where); err != nil {
			return nil, err
		}
	}
	a.compute.Microversion = "2.79"
	return a, nil
}

type object = map[string]any

// thing is a resource that must exist: found by its name (and what else narrows the search) or created.
type thing struct {
	service    *gophercloud.ServiceClient
	collection string // path below the service: "networks"
	key        string // of one in a body: "network"; empty: the body is the resource itself (Glance)
	list       string // of many in a body; default: the collection's last part
	search     url.Values
	match      func(object) bool // default: the first found
	body       object
}

// ensure returns the resource and whether it was created now.
func ensure(ctx context.Context, t thing) (object, bool, error) {
	found, err := t.find(ctx)
	if err != nil || found != nil {
		return found, false, err
	}
	body := t.body
	if t.key != "" {
		body = object{t.key: body}
	}
	var answer object
	if err := call(ctx, t.service, http.MethodPost, t.collection, body, &answer); err != nil {
		return nil, false, err
	}
	if t.key != "" {
		answer, _ = answer[t.key].(object)
	}
	return answer, true, nil
}

func (t thing) find(ctx context.Context) (object, error) {
	list := t.list
	if list == "" {
		list = t.collection[strings.LastIndex(t.collection, "/")+1:]
	}
	var answer object
	if err := call(ctx, t.service, http.MethodGet, t.collection+"?"+t.search.Encode(), nil, &answer); err != nil {
		return nil, err
	}
	all, _ := answer[list].([]any)
	for _, one := range all {
		o, _ := one.(object)
		if inner, ok := o[t.key].(object); ok && len(o) == 1 {
			o = inner // Nova wraps each key pair once more
		}
		if t.match == nil || t.match(o) {
			return o, nil
		}
	}
	return nil, nil
}

// call makes one request; errors tell what was asked for.
func call(ctx context.Context, s *gophercloud.ServiceClient, method, path string, body, answer any) error {
	opts := &gophercloud.RequestOpts{JSONBody: body, JSONResponse: answer, OkCodes: []int{200, 201, 202, 204}}
	resp, err := s.Request(ctx, method, s.ServiceURL(strings.Split(path, "/")...), opts)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if answer == nil {
		_ = resp.Body.Close()
	}
	return nil
}

func text(o object, key string) string { s, _ := o[key].(string); return s }

func byName(name string) func(object) bool {
	return func(o object) bool { return text(o, "name") == name }
}
