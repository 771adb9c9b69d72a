package placement

import (
	"errors"
	"fmt"
)

// ErrCapacity says that a claim does not fit, or not any more: the provider has too little left, refuses the amount, has no
// such inventory, or is gone. Another provider may do.
var ErrCapacity = errors.New("the claim does not fit")

// Reason says which kind of refusal an Error is.
type Reason int

// The kinds of refusals.
const (
	Invalid Reason = iota
	NotFound
	Conflict
)

// Code is the machine-readable part of an error, shown from microversion 1.23 on (placement/errors.py).
type Code string

// The codes of placement.
const (
	CodeUndefined         Code = "placement.undefined_code"
	CodeInventoryInUse    Code = "placement.inventory.inuse"
	CodeConcurrentUpdate  Code = "placement.concurrent_update"
	CodeDuplicateName     Code = "placement.duplicate_name"
	CodeProviderInUse     Code = "placement.resource_provider.inuse"
	CodeProviderIsParent  Code = "placement.resource_provider.cannot_delete_parent"
	CodeProviderNotFound  Code = "placement.resource_provider.not_found"
	CodeQueryDuplicateKey Code = "placement.query.duplicate_key"
	CodeQueryBadValue     Code = "placement.query.bad_value"
	CodeQueryMissingValue Code = "placement.query.missing_value"
)

// An Error is a refusal that the client can understand.
type Error struct {
	Reason  Reason
	Code    Code
	Message string
	cause   error
}

func (e *Error) Error() string { return e.Message }

// Unwrap gives ErrCapacity for claims that do not fit.
func (e *Error) Unwrap() error { return e.cause }

// Refusef makes an Error without a code.
func Refusef(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Code: CodeUndefined, Message: fmt.Sprintf(format, args...)}
}

// With returns the error with a code.
func (e *Error) With(code Code) *Error {
	e.Code = code
	return e
}

// doesNotFit marks the error as ErrCapacity: another provider may do.
func (e *Error) doesNotFit() *Error {
	e.cause = ErrCapacity
	return e
}

// prefixed returns a refusal as it reads in the operation that met it; other errors unchanged.
func prefixed(err error, reason Reason, format string, args ...any) error {
	var refusal *Error
	if !errors.As(err, &refusal) {
		return err
	}
	return &Error{
		Reason:  reason,
		Code:    refusal.Code,
		Message: fmt.Sprintf(format, args...) + refusal.Message,
		cause:   refusal.cause,
	}
}

// IsReason tells whether err is an Error of this kind.
func IsReason(err error, reason Reason) bool {
	var refusal *Error
	return errors.As(err, &refusal) && refusal.Reason == reason
}

func unknownTrait(name string) *Error { return Refusef(NotFound, "No such trait(s): %s.", name) }

func unknownClass(name string) *Error { return Refusef(NotFound, "No such resource class %s.", name) }
