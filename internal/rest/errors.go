package rest

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is an answer that is not a success. Message reaches the user, so it never holds what only operators may know;
// wrap that with Because, and it reaches the log.
type Error struct {
	Status  int
	Message string
	Title   string      // default: the status's text
	Code    string      // a machine-readable code, where the service has them (placement)
	Type    string      // the exception's name, where the service shows it (Neutron)
	Header  http.Header // added to the answer
	cause   error
}

func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%d %s: %v", e.Status, e.Message, e.cause)
	}
	return fmt.Sprintf("%d %s", e.Status, e.Message)
}

// Unwrap returns what Because was given.
func (e *Error) Unwrap() error { return e.cause }

// Because attaches the operator's reason, which is logged and never sent.
func (e *Error) Because(err error) *Error { e.cause = err; return e }

// WithCode sets the machine-readable code.
func (e *Error) WithCode(code string) *Error { e.Code = code; return e }

// WithType sets the exception's name.
func (e *Error) WithType(name string) *Error { e.Type = name; return e }

// WithHeader adds a header to the answer.
func (e *Error) WithHeader(key, value string) *Error {
	if e.Header == nil {
		e.Header = http.Header{}
	}
	e.Header.Add(key, value)
	return e
}

// Fail makes an error of any status. Without args the format is taken as it is.
func Fail(status int, format string, args ...any) *Error {
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	return &Error{Status: status, Message: msg}
}

// BadRequest is a 400.
func BadRequest(format string, args ...any) *Error {
	return Fail(http.StatusBadRequest, format, args...)
}

// Unauthorized is a 401.
func Unauthorized(format string, args ...any) *Error {
	return Fail(http.StatusUnauthorized, format, args...)
}

// Forbidden is a 403.
func Forbidden(format string, args ...any) *Error { return Fail(http.StatusForbidden, format, args...) }

// NotFound is a 404.
func NotFound(format string, args ...any) *Error { return Fail(http.StatusNotFound, format, args...) }

// Conflict is a 409.
func Conflict(format string, args ...any) *Error { return Fail(http.StatusConflict, format, args...) }

// TooLarge is a 413.
func TooLarge(format string, args ...any) *Error {
	return Fail(http.StatusRequestEntityTooLarge, format, args...)
}

// StatusOf returns the status an error is answered with: its own, or 500.
func StatusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return http.StatusInternalServerError
}

// IsNotFound tells whether err is a 404.
func IsNotFound(err error) bool { return err != nil && StatusOf(err) == http.StatusNotFound }
