package hostlink

import (
	"errors"
	"fmt"
)

// Codes of refusals that a dialer decides by.
const (
	CodeBad       = "bad_request"
	CodeNoService = "no_service"
	CodeStranger  = "not_known"   // no certificate, another cloud's, or a removed host's
	CodeExpired   = "expired"     // the certificate was good once
	CodeForbidden = "forbidden"   // who asks may not
	CodeNotFound  = "not_found"   // what is asked for is not there
	CodeBusy      = "busy"        // later
	CodeFailed    = "failed"      // an error on the other side
	CodeSkew      = "clock_skew"  // the clocks differ too much
	CodeNoLink    = "no_hostlink" // this process cannot reach others
	CodeWrongPeer = "wrong_peer"  // somebody else answers at the address
)

// RefusedError is why the other side does not open a stream.
type RefusedError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *RefusedError) Error() string { return e.Message }

// Refuse makes a refusal that reaches the dialer as it is.
func Refuse(code, format string, args ...any) error {
	return &RefusedError{code, fmt.Sprintf(format, args...)}
}

// Code is the code of a refusal, or "".
func Code(err error) string {
	var e *RefusedError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// refusal makes any error one that can be sent.
func refusal(err error) *RefusedError {
	var e *RefusedError
	if errors.As(err, &e) {
		return e
	}
	return &RefusedError{CodeFailed, err.Error()}
}
