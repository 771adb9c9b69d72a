package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"gostack/internal/store"
)

func (s *Server) write(r *Request, w *recorder, answer any) {
	status := http.StatusOK
	if r.Route != nil && r.Route.Status != 0 {
		status = r.Route.Status
	}
	resp, ok := answer.(*Response)
	if !ok {
		resp = &Response{Body: answer}
	}
	if resp.Status != 0 {
		status = resp.Status
	}
	for k, vs := range resp.Header {
		r.header[http.CanonicalHeaderKey(k)] = vs
	}
	if r.Service.Decorate != nil {
		r.Service.Decorate(r, r.header)
	}
	switch {
	case resp.Write != nil:
		w.WriteHeader(status)
		if err := resp.Write(w); err != nil {
			w.failed = err
			// The status is out: only a cut connection tells the client that the body is not whole.
			panic(http.ErrAbortHandler)
		}
	case resp.Body == nil:
		if status != http.StatusNoContent && status != http.StatusNotModified {
			r.header.Set("Content-Length", "0")
		}
		w.WriteHeader(status)
	default:
		writeJSON(w, status, resp.Body)
	}
}

func (s *Server) writeError(r *Request, w *recorder, err error) {
	var e *Error
	switch {
	case errors.As(err, &e):
	case store.IsFull(err):
		e = Fail(http.StatusServiceUnavailable, "The service has no room to store anything at the moment; nothing was changed. Please try again later.").WithHeader("Retry-After", "60").Because(err)
	case store.IsUnavailable(err):
		e = Fail(http.StatusServiceUnavailable, "The service cannot reach its database at the moment. Please try again.").WithHeader("Retry-After", "2").Because(err)
	default:
		e = &Error{Status: http.StatusInternalServerError, cause: err, Message: "Unexpected API Error. Please report the request id " + r.ID + " to your operator; gostack why " + r.ID + " shows what happened."}
	}
	w.failed = err
	for k, vs := range e.Header {
		r.header[http.CanonicalHeaderKey(k)] = vs
	}
	if r.Service.Decorate != nil {
		r.Service.Decorate(r, r.header)
	}
	if w.status != 0 { // the handler had begun to stream
		panic(http.ErrAbortHandler)
	}
	envelope := novaEnvelope
	if r.Service.Envelope != nil {
		envelope = r.Service.Envelope
	}
	body := envelope(r, e)
	if raw, ok := body.(RawBody); ok {
		r.header.Set("Content-Type", raw.Type)
		w.WriteHeader(e.Status)
		_, _ = w.Write(raw.Data)
		return
	}
	writeJSON(w, e.Status, body)
}

// RawBody is an error envelope that is not JSON.
type RawBody struct {
	Type string
	Data []byte
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	var err error
	b, ready := body.(RawJSON)
	if !ready {
		b, err = json.Marshal(body)
	}
	if err != nil {
		slog.Error("an answer cannot be written as JSON", "error", err)
		status, b = http.StatusInternalServerError, []byte(`{}`)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// novaEnvelope is {"itemNotFound": {"code": 404, "message": "…"}}, keyed by Nova's word for the status.
func novaEnvelope(_ *Request, e *Error) any {
	key, ok := map[int]string{
		400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod", 406: "notAcceptable",
		409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented", 503: "serviceUnavailable",
	}[e.Status]
	if !ok {
		key = "computeFault"
	}
	return map[string]any{key: map[string]any{"code": e.Status, "message": e.Message}}
}
