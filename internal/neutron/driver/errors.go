package driver

import "errors"

var (
	// ErrInvalid marks a spec the engine can never accept as it is.
	ErrInvalid = errors.New("network backend: invalid specification")
	// ErrDependency marks a spec whose network or router is not in the engine yet; retry after ensuring that.
	ErrDependency = errors.New("network backend: dependency missing")
	// ErrUnavailable marks an engine that does not answer.
	ErrUnavailable = errors.New("network backend: unavailable")
)
