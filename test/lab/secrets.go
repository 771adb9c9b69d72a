package lab

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
)

// secrets are the passwords of the lab's engines, made anew for each lab.
type secrets struct {
	Postgres string `json:"postgres"`
	Rabbit   string `json:"rabbit"`
	Admin    string `json:"admin"`
	Bus      string `json:"bus"` // of control replicas

	BrokerCert string `json:"broker_cert"`
	BrokerKey  string `json:"broker_key"`
}

// load reads them, or makes them.
func (s *secrets) load(file string, certificate func() (cert, key string, err error)) error {
	b, err := os.ReadFile(file)
	if err == nil {
		return json.Unmarshal(b, s)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, field := range []*string{&s.Postgres, &s.Rabbit, &s.Admin, &s.Bus} {
		raw := make([]byte, 12)
		_, _ = rand.Read(raw) // never fails
		*field = hex.EncodeToString(raw)
	}
	if s.BrokerCert, s.BrokerKey, err = certificate(); err != nil {
		return err
	}
	if b, err = json.Marshal(s); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
}
