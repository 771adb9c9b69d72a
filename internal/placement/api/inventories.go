package api

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"gostack/internal/placement"
	"gostack/internal/rest"
)

func (a *API) inventoryRoutes() []rest.Route {
	const all, one = "/resource_providers/{uuid}/inventories", "/resource_providers/{uuid}/inventories/{resource_class}"
	return []rest.Route{
		{Method: "GET", Path: all, Policy: rule("resource_providers:inventories:list"), Handle: a.listInventories},
		{Method: "POST", Path: all, Policy: rule("resource_providers:inventories:create"), Status: 201, Body: inventorySchema("total", "resource_class"), Handle: a.addInventory},
		{Method: "PUT", Path: all, Policy: rule("resource_providers:inventories:update"), Body: rest.JSON(inventoriesSchema), Handle: a.setInventories},
		{Method: "DELETE", Path: all, Policy: rule("resource_providers:inventories:delete"), Max: rest.V(1, 4), Handle: func(*rest.Request) (any, error) {
			return nil, rest.Fail(http.StatusMethodNotAllowed, "The method specified is not allowed for this resource.")
		}},
		{Method: "DELETE", Path: all, Policy: rule("resource_providers:inventories:delete"), Min: rest.V(1, 5), Status: 204, Handle: a.deleteInventories},
		{Method: "GET", Path: one, Policy: rule("resource_providers:inventories:show"), Handle: a.showInventory},
		{Method: "PUT", Path: one, Policy: rule("resource_providers:inventories:update"), Body: inventorySchema("total", "resource_provider_generation"), Handle: a.updateInventory},
		{Method: "DELETE", Path: one, Policy: rule("resource_providers:inventories:delete"), Status: 204, Handle: a.deleteInventory},
	}
}

// inventoryBody is an inventory as clients write it; what they leave out has defaults.
type inventoryBody struct {
	Class           string `json:"resource_class"`
	Generation      int64  `json:"resource_provider_generation"`
	Total           int64
	Reserved        *int64
	MinUnit         *int64   `json:"min_unit"`
	MaxUnit         *int64   `json:"max_unit"`
	StepSize        *int64   `json:"step_size"`
	AllocationRatio *float64 `json:"allocation_ratio"`
}

func (b inventoryBody) inventory() placement.Inventory {
	inventory := placement.DefaultInventory
	inventory.Total = b.Total
	for _, field := range []struct{ to, from *int64 }{
		{&inventory.Reserved, b.Reserved}, {&inventory.MinUnit, b.MinUnit}, {&inventory.MaxUnit, b.MaxUnit}, {&inventory.StepSize, b.StepSize},
	} {
		if field.from != nil {
			*field.to = *field.from
		}
	}
	if b.AllocationRatio != nil {
		inventory.AllocationRatio = *b.AllocationRatio
	}
	return inventory
}

// ratio is written with a fraction, as clients are used to: 16.0.
type ratio float64

// MarshalJSON implements json.Marshaler.
func (r ratio) MarshalJSON() ([]byte, error) {
	if value := float64(r); value == math.Trunc(value) && math.Abs(value) < 1e15 {
		return strconv.AppendFloat(nil, value, 'f', 1, 64), nil
	}
	return json.Marshal(float64(r))
}

type inventoryView struct {
	Total           int64 `json:"total"`
	Reserved        int64 `json:"reserved"`
	MinUnit         int64 `json:"min_unit"`
	MaxUnit         int64 `json:"max_unit"`
	StepSize        int64 `json:"step_size"`
	AllocationRatio ratio `json:"allocation_ratio"`
	Generation      int64 `json:"resource_provider_generation,omitempty"`
}

func viewInventory(i placement.Inventory, generation int64) inventoryView {
	return inventoryView{i.Total, i.Reserved, i.MinUnit, i.MaxUnit, i.StepSize, ratio(i.AllocationRatio), generation}
}

func (a *API) showInventories(r *rest.Request, row *placement.ResourceProvider, inventories map[string]placement.Inventory) *rest.Response {
	var modified time.Time
	views := make(map[string]inventoryView, len(inventories))
	for class, inventory := range inventories {
		views[class] = viewInventory(inventory, 0)
		modified = latest(modified, inventory.UpdatedAt)
	}
	return a.show(r, map[string]any{"resource_provider_generation": row.Generation, "inventories": views}, modified)
}

func (a *API) listInventories(r *rest.Request) (any, error) {
	row, inventories, err := a.Inventories(r.Context(), r.Path("uuid"))
	if err != nil {
		return nil, err
	}
	return a.showInventories(r, row, inventories), nil
}

func (a *API) showInventory(r *rest.Request) (any, error) {
	row, inventories, err := a.Inventories(r.Context(), r.Path("uuid"))
	if err != nil {
		return nil, err
	}
	inventory, found := inventories[r.Path("resource_class")]
	if !found {
		return nil, rest.NotFound("No inventory of class %s for %s", r.Path("resource_class"), row.UUID)
	}
	return a.show(r, viewInventory(inventory, row.Generation), inventory.UpdatedAt), nil
}

func capacityRule(r *rest.Request) placement.CapacityRule {
	return placement.CapacityRule(r.Version.AtLeast(1, 26))
}

func (a *API) setInventories(r *rest.Request) (any, error) {
	var body struct {
		Generation  int64 `json:"resource_provider_generation"`
		Inventories map[string]inventoryBody
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	inventories := inventoriesOf(body.Inventories)
	row, err := a.SetInventories(r.Context(), r.Path("uuid"), body.Generation, inventories, capacityRule(r))
	if err != nil {
		return nil, err
	}
	return a.showInventories(r, row, inventories), nil
}

func inventoriesOf(bodies map[string]inventoryBody) map[string]placement.Inventory {
	inventories := make(map[string]placement.Inventory, len(bodies))
	for class, body := range bodies {
		inventories[class] = body.inventory()
	}
	return inventories
}

func (a *API) addInventory(r *rest.Request) (any, error) {
	var body inventoryBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	row, err := a.AddInventory(r.Context(), r.Path("uuid"), body.Class, body.inventory(), capacityRule(r))
	if err != nil {
		return nil, err
	}
	answer := rest.Reply(http.StatusCreated, viewInventory(body.inventory(), row.Generation))
	return a.dated(r, answer, time.Time{}).With("Location", r.BaseURL()+"/resource_providers/"+row.UUID+"/inventories/"+body.Class), nil
}

func (a *API) updateInventory(r *rest.Request) (any, error) {
	var body inventoryBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	row, err := a.UpdateInventory(r.Context(), r.Path("uuid"), r.Path("resource_class"), body.Generation, body.inventory(), capacityRule(r))
	if err != nil {
		return nil, err
	}
	return a.show(r, viewInventory(body.inventory(), row.Generation), time.Time{}), nil
}

func (a *API) deleteInventory(r *rest.Request) (any, error) {
	return nil, a.DeleteInventory(r.Context(), r.Path("uuid"), r.Path("resource_class"))
}

func (a *API) deleteInventories(r *rest.Request) (any, error) {
	return nil, a.DeleteInventories(r.Context(), r.Path("uuid"))
}
