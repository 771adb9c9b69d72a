package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"gostack/test/api"
)

// operation is something a user or an operator does to a server.
type operation struct {
	name   string
	weight int
	// from are the states in which it makes sense; now and then it is tried in others.
	from []string
	// to are the states that it may end in when it was accepted, beside the state before and ERROR.
	to []string
	do func(ctx context.Context, w *worker, s *server) (api.Answer, error)
}

// operations are what workers draw from. A server action is one line.
var operations = []operation{
	action("stop", 4, "ACTIVE", "SHUTOFF", `{"os-stop": null}`),
	action("start", 6, "SHUTOFF", "ACTIVE", `{"os-start": null}`),
	action("reboot soft", 2, "ACTIVE", "ACTIVE", `{"reboot": {"type": "SOFT"}}`),
	action("reboot hard", 4, "ACTIVE SHUTOFF PAUSED SUSPENDED ERROR", "ACTIVE", `{"reboot": {"type": "HARD"}}`),
	action("pause", 2, "ACTIVE", "PAUSED", `{"pause": null}`),
	action("unpause", 6, "PAUSED", "ACTIVE", `{"unpause": null}`),
	action("suspend", 1, "ACTIVE", "SUSPENDED", `{"suspend": null}`),
	action("resume", 6, "SUSPENDED", "ACTIVE", `{"resume": null}`),
	action("reset state", 1, "ACTIVE ERROR", "ACTIVE", `{"os-resetState": {"state": "active"}}`),
	action("shelve", 2, "ACTIVE SHUTOFF PAUSED SUSPENDED", "SHELVED_OFFLOADED SHELVED ACTIVE SHUTOFF", `{"shelve": null}`),
	action("shelve offload", 1, "SHELVED", "SHELVED_OFFLOADED", `{"shelveOffload": null}`),
	action("unshelve", 8, "SHELVED SHELVED_OFFLOADED", "ACTIVE SHUTOFF", `{"unshelve": null}`),
	action("rescue", 1, "ACTIVE SHUTOFF", "RESCUE", `{"rescue": {}}`),
	action("unrescue", 8, "RESCUE", "ACTIVE SHUTOFF", `{"unrescue": null}`),
	action("rebuild", 2, "ACTIVE SHUTOFF ERROR", "ACTIVE SHUTOFF", `{"rebuild": {"imageRef": "$image"}}`),
	action("create image", 1, "ACTIVE SHUTOFF", "", `{"createImage": {"name": "crash-snapshot"}}`),
	action("migrate", 3, "ACTIVE SHUTOFF", "VERIFY_RESIZE", `{"migrate": null}`),
	action("resize", 3, "ACTIVE SHUTOFF", "VERIFY_RESIZE", `{"resize": {"flavorRef": "$flavor"}}`),
	action("confirm resize", 8, "VERIFY_RESIZE", "ACTIVE SHUTOFF", `{"confirmResize": null}`),
	action("revert resize", 6, "VERIFY_RESIZE", "ACTIVE SHUTOFF", `{"revertResize": null}`),
	action("live migrate", 4, "ACTIVE PAUSED", "", `{"os-migrateLive": {"host": null, "block_migration": "auto"}}`),
	{name: "evacuate", weight: 2, from: strings.Fields("ACTIVE SHUTOFF ERROR"), do: evacuate},
	action("lock", 1, "ACTIVE", "", `{"lock": null}`),
	action("unlock", 3, "", "", `{"unlock": null}`),
	{name: "delete", weight: 8, do: remove},
	{name: "attach interface", weight: 3, do: attach},
	{name: "attach port", weight: 2, do: attachPort},
	{name: "detach interface", weight: 4, do: detach},
	{name: "floating ip", weight: 2, do: floatingIP},
}

// action is a server action; in its body $image and $flavor stand for ones that exist.
func action(name string, weight int, from, to, body string) operation {
	return operation{name: name, weight: weight, from: strings.Fields(from), to: strings.Fields(to), do: func(ctx context.Context, w *worker, s *server) (api.Answer, error) {
		filled := strings.NewReplacer("$image", w.image, "$flavor", w.flavors[w.rnd.IntN(len(w.flavors))].id).Replace(body)
		return w.client.Do(ctx, http.MethodPost, "/compute/v2.1/servers/"+s.id+"/action", json.RawMessage(filled))
	}}
}

var createOperation = operation{name: "create", to: []string{"ACTIVE"}, do: create}

// create asks for a server. One whose request was not answered may be there: it is found by its name.
func create(ctx context.Context, w *worker, s *server) (api.Answer, error) {
	f := w.flavors[w.rnd.IntN(len(w.flavors))]
	body := map[string]any{"server": map[string]any{
		"name": s.name, "imageRef": w.image, "flavorRef": f.id, "networks": []any{map[string]any{"uuid": w.network}},
	}}
	a, err := w.client.Do(ctx, http.MethodPost, "/compute/v2.1/servers", body)
	if err != nil {
		return a, err
	}
	ids := []string{}
	if a.Status == http.StatusAccepted {
		var made struct{ Server struct{ ID string } }
		if err := a.Into(&made); err != nil {
			return a, err
		}
		ids = append(ids, made.Server.ID)
	}
	if a.Silent > 0 {
		var list struct{ Servers []struct{ ID string } }
		if _, err := w.client.Get(ctx, "/compute/v2.1/servers?name="+url.QueryEscape("^"+s.name+"$"), &list); err != nil {
			return a, err
		}
		ids = ids[:0]
		for _, found := range list.Servers {
			ids = append(ids, found.ID)
		}
	}
	for i, id := range ids {
		one := s
		if i > 0 {
			one = &server{name: s.name}
		}
		one.id, one.status = id, "BUILD"
		w.known[id] = true
		w.servers = append(w.servers, one)
	}
	return a, nil
}

func remove(ctx context.Context, w *worker, s *server) (api.Answer, error) {
	a, err := w.client.Do(ctx, http.MethodDelete, "/compute/v2.1/servers/"+s.id, nil)
	// Sent in vain before, it may have been carried out.
	if err == nil && (a.Status == http.StatusNoContent || a.Status == http.StatusNotFound && a.Silent > 0) {
		s.deleting = true
	}
	return a, err
}

func attach(ctx context.Context, w *worker, s *server) (api.Answer, error) {
	return w.client.Do(ctx, http.MethodPost, "/compute/v2.1/servers/"+s.id+"/os-interface", map[string]any{"interfaceAttachment": map[string]any{"net_id": w.network}})
}

// attachPort attaches a port that the user made, which survives the server.
func attachPort(ctx context.Context, w *worker, s *server) (api.Answer, error) {
	id, err := w.client.Create(ctx, "/network/v2.0/ports", "port", map[string]any{"network_id": w.network, "name": "of " + s.name})
	if err != nil {
		return api.Answer{}, err
	}
	return w.client.Do(ctx, http.MethodPost, "/compute/v2.1/servers/"+s.id+"/os-interface", map[string]any{"interfaceAttachment": map[string]any{"port_id": id}})
}

func detach(ctx context.Context, w *worker, s *server) (api.Answer, error) {
	var list struct {
		InterfaceAttachments []struct {
			PortID string `json:"port_id"`
		}
	}
	pick := w.rnd.Int()
	if ok, err := w.client.Get(ctx, "/compute/v2.1/servers/"+s.id+"/os-interface", &list); err != nil || !ok || len(list.InterfaceAttachments) == 0 {
		return api.Answer{Status: http.StatusNotFound}, err
	}
	port := list.InterfaceAttachments[pick%len(list.InterfaceAttachments)].PortID
	return w.client.Do(ctx, http.MethodDelete, "/compute/v2.1/servers/"+s.id+"/os-interface/"+port, nil)
}

// floatingIP gives the server's first port an address on the outside; it goes with the port's address and is deleted at the end.
func floatingIP(ctx context.Context, w *worker, s *server) (api.Answer, error) {
	var list struct{ Ports []struct{ ID string } }
	if _, err := w.client.Get(ctx, "/network/v2.0/ports?fields=id&device_id="+s.id, &list); err != nil || len(list.Ports) == 0 {
		return api.Answer{Status: http.StatusNotFound}, err
	}
	a, err := w.client.Do(ctx, http.MethodPost, "/network/v2.0/floatingips", map[string]any{"floatingip": map[string]any{"floating_network_id": w.public, "port_id": list.Ports[0].ID}})
	return a, err
}

// evacuate says that the server's host is dead, although it may live, and has the server made anew elsewhere; then the host is said to be back.
func evacuate(ctx context.Context, w *worker, s *server) (api.Answer, error) {
	var body struct{ Server view }
	if ok, err := w.client.Get(ctx, "/compute/v2.1/servers/"+s.id, &body); err != nil || !ok {
		return api.Answer{Status: http.StatusNotFound}, err
	}
	var services struct{ Services []struct{ ID string } }
	if _, err := w.client.Get(ctx, "/compute/v2.1/os-services?binary=nova-compute&host="+url.QueryEscape(body.Server.Host), &services); err != nil || body.Server.Host == "" || len(services.Services) == 0 {
		return api.Answer{Status: http.StatusNotFound}, err
	}
	down := func(yes bool) error {
		a, err := w.client.Do(ctx, http.MethodPut, "/compute/v2.1/os-services/"+services.Services[0].ID, map[string]bool{"forced_down": yes})
		if err == nil && a.Status >= 300 {
			err = fmt.Errorf("forced_down: %d %s", a.Status, a.Body)
		}
		return err
	}
	if err := down(true); err != nil {
		return api.Answer{}, err
	}
	a, err := w.client.Do(ctx, http.MethodPost, "/compute/v2.1/servers/"+s.id+"/action", json.RawMessage(`{"evacuate": {}}`))
	return a, errors.Join(err, down(false))
}
