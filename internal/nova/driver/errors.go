package driver

import (
	"errors"
	"fmt"
)

// Code is the kind of a refusal; it survives the way over the bus, where error
// values do not.
type Code string

// What a driver can refuse. Everything else is a passing fault and is retried.
const (
	CodeNotFound     Code = "not_found"      // the host does not have the server
	CodeDiskTooSmall Code = "disk_too_small" // flavor's disk below the image's virtual size
	CodeBadImage     Code = "bad_image"      // content is not what Glance says, or is refused
	CodeUnsupported  Code = "unsupported"    // this host or driver cannot do it
	CodeBadState     Code = "bad_state"      // not possible in the server's power state
	CodeNoSpace      Code = "no_space"       // the host's disk is full
	CodeBusy         Code = "busy"           // somebody else is at it and will end; asking again later helps
)

// Fault is a refusal that trying again on this host will not change.
type Fault struct {
	Code    Code
	Message string // safe to show to the tenant
	Cause   error  // operator detail; may be nil
}

// The faults without detail, for errors.Is.
var (
	ErrNotFound     = &Fault{Code: CodeNotFound, Message: "the host does not have this server"}
	ErrDiskTooSmall = &Fault{Code: CodeDiskTooSmall}
	ErrBadImage     = &Fault{Code: CodeBadImage}
	ErrUnsupported  = &Fault{Code: CodeUnsupported}
	ErrBadState     = &Fault{Code: CodeBadState}
	ErrNoSpace      = &Fault{Code: CodeNoSpace}
	ErrBusy         = &Fault{Code: CodeBusy}
)

// Error is the message with the operator's detail.
func (f *Fault) Error() string {
	if f.Cause != nil {
		return fmt.Sprintf("%s: %v", f.Message, f.Cause)
	}
	return f.Message
}

// Unwrap is the cause.
func (f *Fault) Unwrap() error { return f.Cause }

// Is compares codes, so that errors.Is(err, ErrBadImage) holds for every
// fault of that kind.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Code == f.Code
}

// Refuse makes a fault.
func Refuse(code Code, format string, args ...any) *Fault {
	return &Fault{Code: code, Message: fmt.Sprintf(format, args...)}
}

// CodeOf answers the code of a fault, or "" for any other error.
func CodeOf(err error) Code {
	var f *Fault
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}
