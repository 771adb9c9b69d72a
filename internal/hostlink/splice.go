package hostlink

import (
	"errors"
	"io"
	"net"
)

// CloseWrite says that nothing more will be written, while what the other side sends can still be read.
func CloseWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// Splice joins two connections until both directions have ended, and closes both. It answers how much went from a to b and from b to a.
func Splice(a, b net.Conn) (there, back int64, err error) {
	done := make(chan error, 1)
	go func() {
		var err error
		there, err = pour(b, a)
		done <- err
	}()
	back, err = pour(a, b)
	err = errors.Join(err, <-done)
	_ = a.Close()
	_ = b.Close()
	return there, back, err
}

// pour copies one direction and passes its end on; a broken one ends both.
func pour(to, from net.Conn) (int64, error) {
	n, err := io.Copy(to, from)
	if err == nil {
		_ = CloseWrite(to)
		return n, nil
	}
	_ = to.Close()
	_ = from.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return n, err
}
