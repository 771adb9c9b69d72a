// Package ovsdbtest gives tests an OVSDB server inside the test process, with the schema of the installed OVN.
package ovsdbtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/rpc2"
	"github.com/ovn-kubernetes/libovsdb/database/inmemory"
	"github.com/ovn-kubernetes/libovsdb/model"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/ovn-kubernetes/libovsdb/server"

	"gostack/internal/engine/ovsdb"
)

// Schema file names of the installed packages.
const (
	NBSchema = "/usr/share/ovn/ovn-nb.ovsschema"
	SBSchema = "/usr/share/ovn/ovn-sb.ovsschema"
)

// Server is a running server.
type Server struct {
	Endpoint string
	schema   libovsdb.DatabaseSchema
	model    model.ClientDBModel
	srv      *server.OvsdbServer
	path     string

	mu      sync.Mutex
	clients []*rpc2.Client
}

// Start serves one database with the given tables until the test ends.
func Start(t testing.TB, schemaFile string, tables []ovsdb.Table) *Server {
	t.Helper()
	raw, err := os.ReadFile(schemaFile)
	if err != nil {
		if os.Getenv("GOSTACK_REQUIRE") == "all" {
			t.Fatalf("OVN is not installed: %v", err)
		}
		t.Skipf("OVN is not installed: %v", err)
	}
	s := &Server{path: filepath.Join(t.TempDir(), "db.sock")}
	s.Endpoint = "unix:" + s.path
	if err := json.Unmarshal(raw, &s.schema); err != nil {
		t.Fatalf("read %s: %v", schemaFile, err)
	}
	types := map[string]model.Model{}
	for _, tab := range tables {
		types[tab.Row.TableName()] = tab.Row
	}
	if s.model, err = model.NewClientDBModel(s.schema.Name, types); err != nil {
		t.Fatal(err)
	}
	s.Up(t)
	t.Cleanup(s.Down)
	return s
}

// Up starts the server with an empty database.
func (s *Server) Up(t testing.TB) {
	t.Helper()
	dbModel, errs := model.NewDatabaseModel(s.schema, s.model)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	db := inmemory.NewDatabase(map[string]model.ClientDBModel{s.schema.Name: s.model}, nil)
	var err error
	if s.srv, err = server.NewOvsdbServer(db, nil, dbModel); err != nil {
		t.Fatal(err)
	}
	srv := s.srv
	srv.OnConnect(func(c *rpc2.Client) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.clients = append(s.clients, c)
	})
	go func() { _ = srv.Serve("unix", s.path) }()
	for !srv.Ready() {
		time.Sleep(time.Millisecond)
	}
}

// Down ends the server and its connections.
func (s *Server) Down() {
	if s.srv != nil {
		s.srv.Close()
		s.srv = nil
		s.mu.Lock()
		for _, c := range s.clients {
			_ = c.Close()
		}
		s.clients = nil
		s.mu.Unlock()
		_ = os.Remove(s.path)
	}
}
