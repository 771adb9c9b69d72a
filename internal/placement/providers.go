package placement

import (
	"context"
	"slices"

	"gostack/internal/placement/db"
	"gostack/internal/store"
)

// Provider returns a resource provider.
func (s *Service) Provider(ctx context.Context, uuid string) (*ResourceProvider, error) {
	return provider(ctx, s.DB.Read(ctx), uuid)
}

func provider(ctx context.Context, q store.Tx, uuid string) (*ResourceProvider, error) {
	row, err := db.ProviderByUUID(ctx, q, uuid)
	if err == nil && row == nil {
		err = Refusef(NotFound, "No resource provider with uuid %s found", uuid)
	}
	return row, err
}

// Providers lists the providers that fit a filter, oldest first. Unknown names in the filter are refused as NotFound.
func (s *Service) Providers(ctx context.Context, filter ProviderFilter) ([]ResourceProvider, error) {
	q := s.DB.Read(ctx)
	var classes []string
	for class := range filter.Resources {
		classes = append(classes, class)
	}
	if err := checkClasses(ctx, q, classes); err != nil {
		return nil, prefixed(err, Invalid, "Invalid resource class in resources parameter: ")
	}
	if err := checkTraits(ctx, q, slices.Concat(append(filter.Required, filter.Forbidden)...)); err != nil {
		return nil, prefixed(err, Invalid, `Invalid trait(s) in "required" parameter: `)
	}
	return db.Providers(ctx, q, filter)
}

// CreateProvider adds a provider; an empty uuid makes one, an empty parent makes the root of a new tree.
func (s *Service) CreateProvider(ctx context.Context, uuid, name, parent string) (*ResourceProvider, error) {
	if uuid == "" {
		uuid = s.newID()
	}
	refuse := func(reason string) error {
		return Refusef(Invalid, `Unable to create resource provider "%s", %s: Object action create failed because: %s`, name, uuid, reason)
	}
	if name == "" {
		return nil, refuse("name is required")
	}
	if parent == uuid {
		return nil, refuse("parent provider UUID cannot be same as UUID. Please set parent provider UUID to None if there is no parent.")
	}
	now := s.clock().Now()
	row := &db.Provider{UUID: uuid, Name: name, ParentUUID: parent, RootUUID: uuid, CreatedAt: now, UpdatedAt: now}
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if parent != "" {
			above, err := db.ProviderByUUID(ctx, tx, parent)
			if err != nil {
				return err
			}
			if above == nil {
				return refuse("parent provider UUID does not exist.")
			}
			row.RootUUID = above.RootUUID
		}
		same, err := db.ProvidersNamed(ctx, tx, uuid, name)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(same, func(other db.Provider) bool { return other.UUID == uuid }) {
			return Refusef(Conflict, "Conflicting resource provider uuid: %s already exists.", uuid).With(CodeDuplicateName)
		}
		if len(same) > 0 {
			return Refusef(Conflict, "Conflicting resource provider name: %s already exists.", name).With(CodeDuplicateName)
		}
		return db.InsertProvider(ctx, tx, row)
	})
	return row, err
}

// ProviderChange is a new name, and a new place in the trees when SetParent is true.
type ProviderChange struct {
	Name      string
	SetParent bool
	Parent    string // empty makes the provider a root

	// MayMove allows to leave a tree (microversion 1.37); otherwise only a root can be put below another provider.
	MayMove bool
}

// UpdateProvider renames and moves a provider, together with all providers below it.
func (s *Service) UpdateProvider(ctx context.Context, uuid string, change ProviderChange) (*ResourceProvider, error) {
	var row *ResourceProvider
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		var err error
		if row, err = provider(ctx, tx, uuid); err != nil {
			return err
		}
		row.Name, row.UpdatedAt = change.Name, s.clock().Now()
		if change.SetParent && change.Parent != row.ParentUUID {
			if err := s.move(ctx, tx, row, change); err != nil {
				return err
			}
		}
		same, err := db.ProvidersNamed(ctx, tx, uuid, change.Name)
		if err != nil {
			return err
		}
		if len(same) > 1 {
			return Refusef(Conflict, "Conflicting resource provider %s already exists.", change.Name).With(CodeDuplicateName)
		}
		return db.UpdateProvider(ctx, tx, row)
	})
	return row, err
}

// move changes parent and root of a row, and the root in the rows of all providers below it.
func (s *Service) move(ctx context.Context, tx store.Tx, row *ResourceProvider, change ProviderChange) error {
	refuse := func(action, reason string) error {
		return Refusef(Invalid, "Unable to save resource provider %s: Object action %s failed because: %s", row.UUID, action, reason)
	}
	root := row.UUID
	if change.Parent != "" {
		above, err := db.ProviderByUUID(ctx, tx, change.Parent)
		if err != nil {
			return err
		}
		if above == nil {
			return refuse("create", "parent provider UUID does not exist.")
		}
		if row.ParentUUID != "" && !change.MayMove {
			return refuse("update", "re-parenting a provider is not currently allowed.")
		}
		root = above.RootUUID
	} else if !change.MayMove {
		return refuse("update", "un-parenting a provider is not currently allowed.")
	}
	tree, err := db.Tree(ctx, tx, row.RootUUID)
	if err != nil {
		return err
	}
	below := subtree(tree, row.UUID)
	if slices.Contains(below, change.Parent) {
		return refuse("update", "creating loop in the provider tree is not allowed.")
	}
	row.ParentUUID, row.RootUUID = change.Parent, root
	return db.SetRoot(ctx, tx, below, root, row.UpdatedAt)
}

// subtree returns the UUIDs of top and of all providers below it.
func subtree(tree []ResourceProvider, top string) []string {
	found := []string{top}
	for i := 0; i < len(found); i++ {
		for _, row := range tree {
			if row.ParentUUID == found[i] {
				found = append(found, row.UUID)
			}
		}
	}
	return found
}

// DeleteProvider removes a provider that nothing is allocated from and that has none below it.
func (s *Service) DeleteProvider(ctx context.Context, uuid string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		row, err := db.ProviderByUUID(ctx, tx, uuid)
		if err != nil {
			return err
		}
		if row == nil {
			return Refusef(NotFound, "No resource provider with uuid %s found for delete", uuid)
		}
		parent, err := db.HasChildren(ctx, tx, uuid)
		if err != nil {
			return err
		}
		if parent {
			return Refusef(Conflict, "Unable to delete parent resource provider %s: It has child resource providers.", uuid).
				With(CodeProviderIsParent)
		}
		used, err := db.HasAllocations(ctx, tx, uuid)
		if err != nil {
			return err
		}
		if used {
			return Refusef(Conflict, "Unable to delete resource provider %s: Resource provider has allocations.", uuid).
				With(CodeProviderInUse)
		}
		return db.DeleteProvider(ctx, tx, uuid)
	})
}
