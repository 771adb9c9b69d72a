package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gostack/internal/glance"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// uploaded loads the image whose data is coming; the content type is judged first.
func (a *api) uploaded(r *rest.Request) (policy.Target, error) {
	kind := r.HTTP.Header.Get("Content-Type")
	if t, _, err := mime.ParseMediaType(kind); err != nil || t != "application/octet-stream" {
		return nil, rest.Fail(http.StatusUnsupportedMediaType, "Invalid content type %s", kind)
	}
	return a.image(r)
}

// How much of a refused upload is read, and for how long, so that the client comes to read the answer: most send all of
// the data first, and would otherwise see nothing but a broken connection.
const (
	drainBytes = 1 << 30
	drainTime  = 30 * time.Second
)

func (a *api) upload(r *rest.Request) (any, error) {
	to, err := a.service.StoreNamed(r.HTTP.Header.Get("X-Image-Meta-Store"))
	if err == nil {
		err = a.service.UploadTo(r.Context(), to, loaded(r), r.HTTP.Body, max(0, r.HTTP.ContentLength))
	}
	return nil, a.received(r, err)
}

// received lets the client of a refused upload come to read why.
func (a *api) received(r *rest.Request, err error) error {
	if err != nil && r.HTTP.Header.Get("Expect") == "" { // who expects 100 Continue looks at the answer before sending more
		// Without a deadline (as in tests) the limit in bytes is enough.
		_ = http.NewResponseController(r.Writer).SetReadDeadline(time.Now().Add(drainTime))
		_, _ = io.CopyN(io.Discard, r.HTTP.Body, drainBytes)
	}
	return err
}

func (a *api) download(r *rest.Request) (any, error) {
	img := loaded(r)
	if img.Status == glance.Deactivated && !r.Caller.IsAdmin() {
		return nil, rest.Forbidden("The requested image has been deactivated. Image data download is forbidden.")
	}
	f, size, err := a.service.Open(r.Context(), img)
	if errors.Is(err, glance.ErrNoData) {
		return rest.Reply(http.StatusNoContent, nil), nil
	}
	if err != nil {
		// It may have been deleted since it was loaded.
		if _, again := a.service.Image(r.Context(), r.Caller, img.ID); again != nil {
			return nil, again
		}
		return nil, err
	}
	part, err := wanted(r.HTTP.Header, size)
	if err == nil {
		_, err = f.Seek(part.from, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	answer := rest.Reply(http.StatusOK, nil).With("Content-Type", "application/octet-stream").
		With("Content-Length", strconv.FormatInt(part.to-part.from, 10))
	if part.ranged {
		answer.Status = http.StatusPartialContent
		answer.With("Content-Range", "bytes "+strconv.FormatInt(part.from, 10)+"-"+strconv.FormatInt(part.to-1, 10)+"/"+strconv.FormatInt(size, 10))
	} else if img.Checksum != nil {
		answer.With("Content-MD5", *img.Checksum)
	}
	if r.HTTP.Method == http.MethodHead {
		return answer, f.Close()
	}
	answer.Write = func(w http.ResponseWriter) error {
		defer f.Close()
		sent := &counter{Writer: w}
		err := send(r.Context(), sent, f, part.to-part.from)
		a.service.Sent(r.Context(), r.Caller, img, sent.n, err == nil && sent.n == part.to-part.from)
		return err
	}
	return answer, nil
}

// counter counts what is written.
type counter struct {
	io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// send copies n bytes in pieces, so that memory does not grow with them.
func send(ctx context.Context, w io.Writer, f io.Reader, n int64) error {
	buf := make([]byte, 256<<10)
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(struct{ io.Reader }{f}, n), buf)
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// span is the half-open part of the data that is asked for.
type span struct {
	from, to int64
	ranged   bool
}

// wanted reads one byte range of the header Range (RFC 9110 14.2), or of Content-Range, which upstream still takes in
// requests. No header is the whole; what does not parse or fit is a 416.
func wanted(h http.Header, size int64) (span, error) {
	if header := h.Get("Range"); header != "" {
		spec, ok := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
		first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
		if !ok || !dash {
			return span{}, unsatisfiable("Range", header, size)
		}
		return bounds(first, last, header, size)
	}
	if header := h.Get("Content-Range"); header != "" {
		spec, ok := strings.CutPrefix(strings.TrimSpace(header), "bytes ")
		spec, _, slash := strings.Cut(spec, "/")
		first, last, dash := strings.Cut(spec, "-")
		if !ok || !slash || !dash || first == "" || last == "" {
			return span{}, unsatisfiable("Content-Range", header, size)
		}
		part, err := bounds(first, last, header, size)
		if end, _ := strconv.ParseInt(last, 10, 64); err == nil && end >= size { // where Range would give what there is
			err = unsatisfiable("Content-Range", header, size)
		}
		return part, err
	}
	return span{to: size}, nil
}

func bounds(first, last, header string, size int64) (span, error) {
	bad := unsatisfiable("Range", header, size)
	if first == "" { // the last n bytes
		n, err := strconv.ParseUint(last, 10, 62)
		if err != nil || n == 0 || size == 0 {
			return span{}, bad
		}
		return span{max(0, size-int64(n)), size, true}, nil
	}
	from, err := strconv.ParseUint(first, 10, 62)
	if err != nil || int64(from) >= size {
		return span{}, bad
	}
	to := size
	if last != "" {
		end, err := strconv.ParseUint(last, 10, 62)
		if err != nil || end < from {
			return span{}, bad
		}
		to = min(size, int64(end)+1)
	}
	return span{int64(from), to, true}, nil
}

func unsatisfiable(name, header string, size int64) *rest.Error {
	return rest.Fail(http.StatusRequestedRangeNotSatisfiable, "Invalid %s header: %s", name, header).
		WithHeader("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
}
