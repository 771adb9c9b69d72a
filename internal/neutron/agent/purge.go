package agent

import "errors"

// Purge removes the metadata namespaces and cables of this host. The switch forgets their ports with the rest of its configuration.
func Purge() error {
	var errs []error
	for _, id := range namespaces() {
		errs = append(errs, removeNamespace(id))
	}
	return errors.Join(errs...)
}
