package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// until polls a condition that another goroutine makes true.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// A client that goes away in the middle of an upload, with a length given and in chunks, leaves a queued image.
func TestClientGoesAway(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		server := httptest.NewServer(c.Handler)
		defer server.Close()
		for _, framing := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
			id := c.create("member", body(""))
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_, err = fmt.Fprintf(conn, "PUT %s/%s/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: member\r\nContent-Type: %s\r\n%s\r\n\r\n5\r\nhello\r\n", images, id, octets, framing)
			if err != nil {
				t.Fatal(err)
			}
			until(t, "the upload's begin", func() bool { return len(c.files()) == 1 })
			conn.Close()
			until(t, "the upload's end", func() bool {
				return c.As("member").Get(images+"/"+id).Text("status") == "queued" && len(c.files()) == 0
			})
			c.queued(id)
		}
	})
}

// A client that sends all before it reads still gets to read why its data was refused; one that asks first is told first.
func TestRefusalReachesTheClient(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		server := httptest.NewServer(c.Handler)
		defer server.Close()
		evil := make([]byte, 32<<20)
		copy(evil, "QFI\xfb\x00\x00\x00\x02")
		id := c.create("member", body(""))
		send := func(id string) (int, string) {
			r, err := http.NewRequestWithContext(t.Context(), "PUT", server.URL+images+"/"+id+"/file", bytes.NewReader(evil))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Auth-Token", "member")
			r.Header.Set("Content-Type", octets)
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			text, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			return answer.StatusCode, string(text)
		}
		if code, text := send(id); code != 400 || !bytes.Contains([]byte(text), []byte("content is qcow2")) {
			t.Errorf("the client read %d %s", code, text)
		}
		active := c.active("member", body(""), []byte("x"))
		if code, text := send(active); code != 409 {
			t.Errorf("the client read %d %s", code, text)
		}

		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "PUT %s/%s/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: member\r\nContent-Type: %s\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n", images, active, octets)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || answer.StatusCode != 409 {
			t.Errorf("the client that expected 100 read %v, %v", answer, err)
		}
		if err == nil {
			answer.Body.Close()
		}
	})
}
