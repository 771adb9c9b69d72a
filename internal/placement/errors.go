package placement

import "fmt"

// UnknownTraitError says that a name is no trait.
type UnknownTraitError struct{ Name string }

func (e UnknownTraitError) Error() string { return fmt.Sprintf("No such trait(s): %s.", e.Name) }

// UnknownResourceClassError says that a name is no resource class.
type UnknownResourceClassError struct{ Name string }

func (e UnknownResourceClassError) Error() string {
	return fmt.Sprintf("No such resource class %s.", e.Name)
}
