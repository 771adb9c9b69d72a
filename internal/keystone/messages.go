package keystone

import (
	"gostack/internal/rest"
	"gostack/internal/store"
)

// The messages of upstream's keystone/exception.py.

func missing(attribute, target string) error {
	return rest.BadRequest("Expecting to find %s in %s. The server could not comply with the request since it is either malformed or "+
		"otherwise incorrect. The client is assumed to be in error.", attribute, target)
}

// Unauthorized is the answer to everybody who is not let in, whatever the reason, which goes to the log only.
func Unauthorized(reason error) error {
	return rest.Unauthorized("The request you have made requires authentication.").Because(reason)
}

func conflict(kind, format string, args ...any) error {
	details := rest.Fail(0, format, args...).Message
	return rest.Conflict("Conflict occurred attempting to store %s - %s.", kind, details)
}

func duplicate(kind, name, domainID string) error {
	if domainID == "" {
		return conflict(kind, "Duplicate entry found with name %s", name)
	}
	return conflict(kind, "Duplicate entry found with name %s at domain ID %s", name, domainID)
}

// found turns a missing row into "Could not find user: ID.".
func found(err error, kind, id string) error {
	if store.IsNotFound(err) {
		return rest.NotFound("Could not find %s: %s.", kind, id)
	}
	return err
}

const immutable = "immutable"

// checkImmutableUpdate lets an immutable resource be changed only by a request that does nothing but end that.
func checkImmutableUpdate(kind, id string, options map[string]any, change Attrs) error {
	if on, _ := options[immutable].(bool); !on {
		return nil
	}
	wanted, _ := change["options"].(map[string]any)
	v, named := wanted[immutable]
	if on, _ := v.(bool); len(change) == 1 && named && !on {
		return nil
	}
	return rest.Forbidden("Unable to update immutable %s resource: `%s. Set resource option \"immutable\" to false first.", kind, id)
}

func checkImmutableDelete(kind, id string, options map[string]any) error {
	if on, _ := options[immutable].(bool); !on {
		return nil
	}
	return rest.Forbidden("Unable to delete immutable %s resource: `%s. Set resource option \"immutable\" to false first.", kind, id)
}
